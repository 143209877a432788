"""Samples are joined over the genes they share, whatever the order and names of their genes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.expression.merge import merge, unlike
from scsiameseclu.expression.normalize import normalize_group
from scsiameseclu.files import read_json, settings
from scsiameseclu.intake.names import unique

from tests.data.as_intake import as_intake, demo_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

GENES = [f"G{number}" for number in range(8)]


def sample(
    name: str,
    genes: Sequence[str] = GENES,
    *,
    ids: list[str] | None = None,
    seed: int = 0,
    **row: Any,
) -> ad.AnnData:
    counts = np.random.default_rng(seed).poisson(2, (4, len(genes)))
    adata = as_intake(counts, genes=list(genes), ids=ids, sample=name, **row)
    adata.obs["total_counts"] = counts.sum(axis=1)
    return adata


def notes(adata: ad.AnnData) -> list[str]:
    return list(json.loads(adata.uns["expression"])["notes"])


def test_cells_and_counts_of_all_samples() -> None:
    a, b = sample("a", seed=1), sample("b", seed=2)
    merged = merge([a, b], group="g")
    assert merged.obs_names.tolist() == [
        f"{name}_CELL{number}" for name in "ab" for number in range(4)
    ]
    assert merged.obs["sample"].tolist() == ["a"] * 4 + ["b"] * 4
    assert merged.obs["total_counts"].tolist() == [*a.obs["total_counts"], *b.obs["total_counts"]]
    assert merged.var_names.tolist() == GENES
    assert merged.X.dtype == np.int32
    assert (merged.X.toarray() == np.vstack([a.X.toarray(), b.X.toarray()])).all()
    assert notes(merged) == []


def test_order_of_samples_does_not_matter() -> None:
    a, b = sample("a", seed=1), sample("b", GENES[::-1], seed=2)
    one, other = merge([a, b], group="g"), merge([b, a], group="g")
    assert one.obs_names.tolist() == other.obs_names.tolist()
    assert one.var_names.tolist() == other.var_names.tolist() == GENES
    assert (one.X != other.X).nnz == 0


def test_genes_in_another_order() -> None:
    a, b = sample("a", seed=1), sample("b", [*GENES[4:], *GENES[:4]], seed=2)
    merged = merge([a, b], group="g")
    assert (merged[4:].X != b[:, GENES].X).nnz == 0


def test_only_common_genes_are_kept_and_reported() -> None:
    a, b = sample("a", GENES[:6]), sample("b", GENES[2:])
    merged = merge([a, b], group="g")
    assert merged.var_names.tolist() == GENES[2:6]
    assert (merged[4:].X != b[:, GENES[2:6]].X).nnz == 0
    reported = (
        "The samples have 4 genes in common, of up to 6 in one sample; the others are left "
        "out: 2 of 'a', 2 of 'b'."
    )
    assert notes(merged) == [reported]


def test_too_few_common_genes() -> None:
    with pytest.raises(
        InputError, match="have 3 genes in common, fewer than half of the 7 of sample 'b'"
    ) as caught:
        merge([sample("a", GENES), sample("b", [*GENES[:3], "x1", "x2", "x3", "x4"])], group="g")
    assert "different groups" in caught.value.problems[0].remedy


def test_ids_tell_genes_apart_that_share_a_symbol() -> None:
    # Intake numbers repeated symbols in the order of the file: T and T-1 are swapped between the
    # samples.
    a = sample("a", ["T", "T-1", "U"], ids=["E1", "E2", "E3"], seed=1)
    b = sample("b", ["T", "T-1", "U"], ids=["E2", "E1", "E3"], seed=2)
    merged = merge([a, b], group="g")
    assert merged.var["gene_ids"].tolist() == ["E1", "E2", "E3"]
    assert (merged[4:].X.toarray() == b.X.toarray()[:, [1, 0, 2]]).all()


ENSEMBL = [f"ENSG{number:011d}" for number in (1, 2, 3, 15479, 280987)]
MATR3 = ["T1", "T2", "T3", "MATR3", "MATR3"]


def swapped(
    ids: Sequence[str], other_ids: Sequence[str], others: Sequence[str] = MATR3
) -> list[ad.AnnData]:
    """Return two samples whose last two genes have one symbol and are in another order."""
    samples = [
        sample(name, unique(symbols)[0], ids=list(of_sample), seed=seed)
        for name, symbols, of_sample, seed in (("a", MATR3, ids, 1), ("b", others, other_ids, 2))
    ]
    for adata, symbols in zip(samples, (MATR3, others), strict=True):
        adata.var["gene_symbols"] = list(symbols)
    return samples


@pytest.mark.parametrize(
    "versions", [([".14"] * 5, [""] * 5), ([".3"] * 5, [".4", ".3", ".3", ".5", ".11"])]
)
def test_versions_of_ids_do_not_count(versions: tuple[list[str], list[str]]) -> None:
    order = [0, 1, 2, 4, 3]
    ids = [
        [name + version for name, version in zip(ENSEMBL, of_sample, strict=True)]
        for of_sample in versions
    ]
    a, b = swapped(ids[0], [ids[1][place] for place in order])
    merged = merge([a, b], group="g")
    assert merged.var["gene_ids"].tolist() == ids[0]
    assert (merged[4:].X.toarray() == b.X.toarray()[:, order]).all()


def test_copies_on_chromosome_y_stay_genes_of_their_own() -> None:
    ids = [*ENSEMBL[:4], f"{ENSEMBL[3]}.9_PAR_Y"]
    a, b = swapped(
        ids, [f"{ids[0]}.1", f"{ids[1]}.1", f"{ids[2]}.1", f"{ENSEMBL[3]}.9_PAR_Y", f"{ids[3]}.9"]
    )
    merged = merge([a, b], group="g")
    assert merged.var["gene_ids"].tolist() == ids
    assert (merged[4:].X.toarray() == b.X.toarray()[:, [0, 1, 2, 4, 3]]).all()


def test_numbers_after_other_ids_are_not_versions() -> None:
    ids = ["F56D2.1", "F56D2.2", "F56D2.3", "Y74C9A.3", "Y74C9A.6"]
    merged = merge([sample("a", GENES[:5], ids=ids), sample("b", GENES[3:8], ids=ids)], group="g")
    assert merged.var["gene_ids"].tolist() == ids


def test_genes_of_one_name_are_distinguished_by_ids_even_if_others_are_matched_by_name() -> None:
    other_ids = ["ENSG00000000007", "ENSG00000000008", "ENSG00000000009", ENSEMBL[4], ENSEMBL[3]]
    a, b = swapped(ENSEMBL, other_ids)
    merged = merge([a, b], group="g")
    assert merged.n_vars == 5
    assert (merged[4:].X.toarray() == b.X.toarray()[:, [0, 1, 2, 4, 3]]).all()


def test_indistinguishable_genes_of_one_name_are_left_out() -> None:
    other = ["MATR3", "T1", "T2", "MATR3", "T3"]
    a, b = swapped(MATR3, other, other)
    merged = merge([a, b], group="g")
    assert merged.var_names.tolist() == ["T1", "T2", "T3"]
    assert any("2 genes share their name with another gene" in note for note in notes(merged))


def test_genes_of_one_name_in_one_order_stay() -> None:
    merged = merge(swapped(MATR3, MATR3), group="g")
    assert merged.var_names.tolist() == ["T1", "T2", "T3", "MATR3", "MATR3-1"]


def test_names_are_used_if_ids_do_not_agree() -> None:
    a = sample("a", GENES, ids=[f"E{number}" for number in range(8)])
    merged = merge([a, sample("b", GENES)], group="g")
    assert merged.var_names.tolist() == GENES


def test_repeated_ids_are_not_used_as_keys() -> None:
    merged = merge(
        [sample("a", GENES, ids=["E"] * 8), sample("b", GENES, ids=["E"] * 8)], group="g"
    )
    assert merged.var_names.tolist() == GENES


def test_extra_columns_travel_untouched() -> None:
    extra = {"donor": "007", "a b": "1 %"}
    merged = merge([sample("a", extra=extra), sample("b", extra=extra | {"donor": ""})], group="g")
    assert merged.obs["donor"].tolist() == ["007"] * 4 + [""] * 4
    assert merged.obs["a b"].tolist() == ["1 %"] * 8
    assert notes(merged) == []


def test_settings_of_the_group() -> None:
    row = {"n_clusters": 5, "organism": "mouse", "tissue": "pancreas"}
    merged = merge([sample("b", **row), sample("a", **row)], group="g")
    group = settings(merged)
    assert {key: group[key] for key in ("group", *row)} == {"group": "g", **row}
    assert [one["sample"] for one in group["samples"]] == ["a", "b"]


def test_names_of_cells_that_clash() -> None:
    a, b = sample("a"), sample("a_CELL1")
    a.obs_names = ["CELL1_x", "2", "3", "4"]
    b.obs_names = ["x", "2", "3", "4"]
    with pytest.raises(InputError, match="'a_CELL1_x'"):
        merge([a, b], group="g")


def test_command_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [Path(f"{name}.filtered.h5ad") for name in ("blood_1", "blood_2")]
    adatas = [demo_sample(name)[0] for name in ("blood_1", "blood_2")]
    for adata, path in zip(adatas, paths, strict=True):
        adata.write_h5ad(path)
    written = []
    for samples in (paths, paths[::-1]):
        normalize_group(prefix="blood", samples=samples, min_cells_per_gene=0)
        written.append(Path("blood.expression.h5ad").read_bytes())
    assert written[0] == written[1]
    counts = ad.read_h5ad("blood.expression.h5ad").layers["counts"]
    assert counts.shape == (sum(adata.n_obs for adata in adatas), 1500)
    assert counts.sum() == sum(adata.X.sum() for adata in adatas)
    assert read_json("blood.size.json") == {
        "n_cells": counts.shape[0],
        "n_genes": 1500,
        "n_values": counts.nnz,
    }


def test_the_same_barcodes_in_several_samples_stay_cells_of_their_own() -> None:
    merged = merge([sample("a", seed=1), sample("b", seed=2), sample("c", seed=3)], group="g")
    assert merged.obs_names.is_unique
    assert merged.obs_names.tolist() == [
        f"{name}_CELL{number}" for name in "abc" for number in range(4)
    ]


def test_genes_of_any_sample() -> None:
    a, b = sample("a", GENES[:6], seed=1), sample("b", [*GENES[2:], "G0x"], seed=2)
    merged = merge([a, b], group="g", genes="outer")
    assert merged.var_names.tolist() == [*GENES, "G0x"]
    assert merged.X.dtype == np.int32
    assert (merged[:4, GENES[:6]].X != a.X).nnz == 0
    assert (merged[4:, [*GENES[2:], "G0x"]].X != b.X).nnz == 0
    assert merged.X.sum() == a.X.sum() + b.X.sum()
    assert merged.var["in_all_samples"].tolist() == [False] * 2 + [True] * 4 + [False] * 3
    assert notes(merged) == [
        "5 of 9 genes were not measured in all samples and count as 0 where they were not."
    ]


def test_genes_of_any_sample_with_one_name_and_other_ids() -> None:
    a = sample("a", ["T", "U", "V"], ids=["E1", "E2", "E3"], seed=1)
    b = sample("b", ["T", "U", "V"], ids=["E1", "E2", "E9"], seed=2)
    b.var["gene_symbols"] = ["T", "U", "W"]
    a.var["gene_symbols"] = ["S", "U", "V"]
    merged = merge([a, b], group="g", genes="outer")
    assert merged.var["gene_ids"].tolist() == ["E1", "E2", "E3", "E9"]
    assert merged.var_names.tolist() == ["T", "U", "V", "V-1"]


def test_indistinguishable_genes_are_left_out_of_the_union_too() -> None:
    other = ["MATR3", "T1", "T2", "MATR3", "T3"]
    merged = merge(swapped(MATR3, other, other), group="g", genes="outer")
    assert merged.var_names.tolist() == ["T1", "T2", "T3"]


def test_the_sample_that_costs_most_genes_is_named() -> None:
    merged = merge([sample("a"), sample("b"), sample("c", GENES[:5])], group="g")
    assert notes(merged)[-1] == "Without sample 'c' the others would have 3 more in common."


def test_a_sample_of_other_genes_is_rejected_and_the_others_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = [*GENES[:2], *(f"mt{number}" for number in range(6))]
    for name, genes in (("a", GENES), ("b", GENES), ("odd", other)):
        sample(name, genes).write_h5ad(f"{name}.h5ad")
    normalize_group(
        prefix="g",
        samples=[Path(f"{name}.h5ad") for name in ("odd", "a", "b")],
        min_cells_per_gene=0,
    )
    record = read_json("odd.expression.merge.failure.json")
    assert (record["id"], record["step"]) == ("odd", "expression.merge")
    assert (
        "sample 'odd' shares 2 genes with the other samples of group 'g'"
        in record["problems"][0]["what"]
    )
    assert "another group" in record["problems"][0]["remedy"]
    assert set(ad.read_h5ad("g.expression.h5ad").obs["sample"]) == {"a", "b"}
    account = read_json("g.expression.json")
    assert account["genes"] == "inner"
    assert account["notes"][0].startswith("Left out: sample 'odd' shares 2 genes")


def test_two_kinds_of_genes_in_equal_parts_are_a_failure_of_the_group() -> None:
    other = [f"X{number}" for number in range(8)]
    samples = [sample("a"), sample("b"), sample("c", other), sample("d", other)]
    assert unlike(samples, group="g") == {}
    with pytest.raises(InputError, match="have 0 genes in common"):
        merge(samples, group="g")


def test_the_batch_is_that_of_the_samplesheet_or_else_the_sample():
    rows = {"a": {"batch": "run1"}, "b": {"batch": "run1"}, "c": {"batch": ""}, "d": {}}
    samples = [sample(name, ["G1", "G2"], extra=extra) for name, extra in rows.items()]
    batches = merge(samples, group="g").obs.groupby("sample", observed=True)["batch"].first()
    assert batches.to_dict() == {"a": "run1", "b": "run1", "c": "c", "d": "d"}
