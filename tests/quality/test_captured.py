"""Proteins, hashtags and guides in quality control: kinds, origin and fate of each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json
from scsiameseclu.quality.captured import sort_features
from scsiameseclu.quality.doublets import flag_doublets
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.hashtags import Hashing, demultiplex
from scsiameseclu.quality.ledger import read_ledger

from tests.data import make_multimodal
from tests.data.as_intake import as_intake

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = {
    "Antibody Capture": "protein",
    "Multiplexing Capture": "hashtag",
    "CRISPR Guide Capture": "guide",
}
NAMED = "HTO_1=donor_a; HTO_2=donor_b; HTO_3=donor_c; HTO_4=donor_d"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@cache
def _drawn(name: str) -> tuple[Any, list[str], list[str], list[str]]:
    return make_multimodal.draw(name)


def sample(name: str, **row: Any) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return a simulated sample as intake hands it on, and the truth by barcode."""
    drawn, ids, names, types = _drawn(name)
    genes = np.array([kind == "Gene Expression" for kind in types])
    adata = as_intake(
        drawn.counts[:, genes],
        genes=list(np.array(names)[genes]),
        ids=list(np.array(ids)[genes]),
        barcodes=drawn.barcodes,
        **row,
    )
    others = [
        (n.replace("/", "_"), i, KINDS[t])
        for n, i, t in zip(names, ids, types, strict=True)
        if t in KINDS
    ]
    adata.obsm["captured"] = sparse.csr_matrix(drawn.counts[:, ~genes])
    adata.uns["captured"] = pd.DataFrame(others, columns=["name", "id", "kind"])
    return adata, drawn.truth.set_index("barcode").fillna("")


def run(
    adata: ad.AnnData, *, hashtags: str | None = None, **options: Any
) -> tuple[ad.AnnData, pd.DataFrame, Any]:
    adata.write_h5ad("s1.counts.h5ad")
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=Options(hashtags=hashtags))
    paths = {
        "healthy": "s1.healthy.h5ad",
        "ledger": "s1.filter_ledger.tsv.gz",
        "summary": "s1.filter.json",
    }
    flag_doublets(prefix="s1", **{name: Path(path) for name, path in paths.items()}, **options)
    return (
        ad.read_h5ad("s1.filtered.h5ad"),
        read_ledger("s1.cell_ledger.tsv.gz"),
        read_json("s1.qc.json"),
    )


def features(*names: str, kind: str = "protein", said: Any = None) -> ad.AnnData:
    adata = as_intake(np.ones((3, 2)), overrides={} if said is None else {"hashtags": said})
    adata.uns["captured"] = pd.DataFrame(
        {"name": names, "id": [f"id_{n}" for n in names], "kind": kind}
    )
    return adata


def test_hashed_cells_get_their_donor_and_every_barcode_its_fate() -> None:
    adata, truth = sample("pool")
    kept, ledger, account = run(adata, hashtags=NAMED)
    donors = dict(entry.split("=") for entry in NAMED.split("; "))
    singlets = truth.loc[kept.obs_names].query("state == 'singlet' and hashtag != ''")
    assert (
        kept.obs.loc[singlets.index, "hashtag"] == singlets["hashtag"].map(donors)
    ).mean() > 0.98
    two = truth.query("second_hashtag != '' and second_hashtag != hashtag").index
    fates = ledger.set_index("barcode")
    assert (fates.loc[two, "rule"] == "hashtag_doublet").mean() > 0.8
    negative = truth.loc[fates.query("rule == 'hashtag_negative'").index, "hashtag"] == ""
    assert negative.mean() > 0.8
    assert not (truth.loc[kept.obs_names, "hashtag"] == "").any()
    found = fates[fates["rule"] == "hashtag_doublet"]
    assert set(zip(found["step"], found["hashtag"], strict=True)) == {("hashtags", "Doublet")}
    assert ledger["barcode"].tolist() == adata.obs_names.tolist()
    assert account["n_kept"] == kept.n_obs == ledger["kept"].sum()
    assert account["removed"] == {
        rule: int((ledger["rule"] == rule).sum()) for rule in account["removed"]
    }
    assert sum(account["removed"].values()) + account["n_kept"] == len(ledger)
    assert set(account["hashtags"]["n_cells"]) == set(donors.values())
    assert account["hashtags"]["n_doublets"] == account["removed"]["hashtag_doublet"] > 0


def test_the_doublets_that_hashtags_cannot_show_are_those_still_expected() -> None:
    _, _, account = run(sample("pool")[0], hashtags=NAMED)
    shares = np.array(list(account["hashtags"]["n_cells"].values()))
    n_healthy = (
        shares.sum() + account["hashtags"]["n_doublets"] + account["hashtags"]["n_negatives"]
    )
    expected = 0.008 * n_healthy / 1000 * ((shares / shares.sum()) ** 2).sum()
    assert account["doublets"]["expected_rate"] == pytest.approx(expected)


def test_annotated_doublets_and_negatives_stay() -> None:
    kept, ledger, account = run(sample("pool")[0], hashtags="HTO_*", doublet_action="annotate")
    assert {"Doublet", "Negative", "HTO_1"} <= set(kept.obs["hashtag"])
    assert not ledger["rule"].isin(["hashtag_doublet", "hashtag_negative"]).any()
    assert "hashtag_doublet" not in account["removed"]


def test_proteins_and_guides_travel_with_the_cells_that_stay() -> None:
    adata, truth = sample("screen")
    kept, _, account = run(adata)
    rows = adata.obs_names.get_indexer(kept.obs_names)
    names = adata.uns["captured"]["name"].tolist()
    for kind in ("protein", "hashtag", "guide"):
        columns = [names.index(name) for name in kept.obsm[kind].columns]
        np.testing.assert_array_equal(
            kept.obsm[kind], adata.obsm["captured"][rows][:, columns].toarray()
        )
    assert "HLA-A_B_C" in kept.obsm["protein"]
    assert (kept.obs["total_counts_protein"] == kept.obsm["protein"].sum(axis=1)).all()
    called = kept.obs["guide"].astype(object).fillna("")
    assert (called == truth.loc[kept.obs_names, "guide"]).mean() > 0.99
    assert (
        account["captured"]["guide"]["n_cells_with_several"] == (kept.obs["n_guides"] > 1).sum() > 0
    )
    assert account["captured"]["protein"]["n_features"] == 7
    assert "captured" not in kept.uns
    assert set(kept.obs["hashtag"]) <= {"CMO301", "CMO302", "CMO303"}, (
        "their type says that they are hashtags"
    )


def test_without_hashtags_named_antibodies_are_proteins() -> None:
    kept, ledger, account = run(sample("pool")[0])
    assert "HTO_1" in kept.obsm["protein"]
    assert "hashtag" not in kept.obs
    assert "hashtag" not in ledger
    assert "hashtags" not in account


def test_which_features_are_hashtags() -> None:
    adata = features("CD3", "HTO_A", "HTO_B", "a[1]", "id_CD3x")
    assert sort_features(adata, "HTO_*; a[1]=x/y")[0].query("kind == 'hashtag'")[
        "label"
    ].tolist() == [
        "HTO_A",
        "HTO_B",
        "x_y",
    ]
    assert sort_features(adata, "id_HTO_A")[0].query("kind == 'hashtag'")["name"].tolist() == [
        "HTO_A"
    ]
    tags = features("CMO301", "CMO302", "CMO303", kind="hashtag")
    assert sort_features(tags, None)[0]["kind"].tolist() == ["hashtag"] * 3
    assert sort_features(tags, "CMO301;CMO302")[0]["kind"].tolist() == ["hashtag", "hashtag", ""], (
        "one is not in use"
    )


def test_tags_that_mark_the_same_are_one() -> None:
    kept, _, _ = run(sample("pool")[0], hashtags="HTO_1=a;HTO_2=a;HTO_3=b;HTO_4=b")
    assert list(kept.obsm["hashtag"].columns) == ["a", "b"]
    assert set(kept.obs["hashtag"]) == {"a", "b"}


def test_a_hashtag_that_is_not_there() -> None:
    with pytest.raises(InputError, match="HTO_9") as caught:
        sort_features(features("CD3", "HTO_1", said="HTO_9"), "HTO_9")
    assert "'CD3', 'HTO_1'" in str(caught.value)
    with pytest.raises(InputError, match="none beside genes"):
        sort_features(as_intake(np.ones((3, 2)), overrides={"hashtags": "HTO_1"}), "HTO_1")
    assert sort_features(features("CD3"), "HTO_*")[1] == [
        "No feature is called 'HTO_*' (--hashtags)."
    ]
    assert sort_features(as_intake(np.ones((3, 2))), "HTO_*")[1] == [], (
        "other samples of the run may have it"
    )


def test_a_misspelt_hashtag_among_others_is_a_warning() -> None:
    adata = features("CD3", "HTO_1", "HTO_2", "HTO_3")
    (warning,) = sort_features(adata, "HTO_1=a;HTO_2=b;HTO3=c")[1]
    assert "No feature is called 'HTO3' (--hashtags)" in warning
    assert "('CD3', 'HTO_3')" in warning
    assert sort_features(adata, "HTO_1=a;HTO_2=b;HTO_3=c")[1] == []
    assert sort_features(adata, "HTO_*;CD3;HTO_9")[1] == [], "no other feature could be meant"


def counts(rows: Sequence[Sequence[int]], *names: str) -> pd.DataFrame:
    return pd.DataFrame(
        rows, columns=list(names), index=[f"c{number}" for number in range(len(rows))]
    )


def test_reserved_names_of_hashtags_are_rejected() -> None:
    """A treatment called Negative would lose all its cells as such without a hashtag."""
    with pytest.raises(InputError, match="marks 'Negative', which is a reserved name"):
        sort_features(features("HTO_1", "HTO_2"), "HTO_1=Positive; HTO_2=Negative")


def test_indistinguishable_hashtags_are_reported() -> None:
    assert demultiplex(counts([[5]] * 60, "one"))[1] == (
        "Cells were not assigned to hashtags: there is only one (one)."
    )
    found, why = demultiplex(counts([[6, 5, 5], [5, 6, 5], [5, 5, 6]] * 20, "a", "b", "c"))
    assert found is None
    assert "stand out from its background" in why


def test_demultiplexing_is_deterministic_and_independent_of_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    adata, _ = sample("pool")
    table = pd.DataFrame(
        adata.obsm["captured"][:, 7:11].toarray(), index=adata.obs_names, columns=list("abcd")
    )
    first, second = (
        demultiplex(table)[0],
        demultiplex(table.set_axis(["Doublet ", "1", "0", "<b>"], axis=1))[0],
    )
    assert first and second
    names = {"a": "Doublet ", "b": "1", "c": "0", "d": "<b>"}
    assert first.calls.map(lambda call: names.get(call, call)).tolist() == second.calls.tolist()
    pd.testing.assert_series_equal(first.probability, second.probability)
    assert capsys.readouterr().out == ""


def test_a_pool_without_a_singlet_fails_with_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    adata, _ = sample("pool")

    def all_doublets(table: pd.DataFrame) -> tuple[Hashing, str]:
        return Hashing(
            pd.Series("Doublet", index=table.index), pd.Series(0.9, index=table.index)
        ), ""

    monkeypatch.setattr("scsiameseclu.quality.doublets.demultiplex", all_doublets)
    with pytest.raises(InputError, match="several hashtags"):
        run(adata, hashtags="HTO_*")
    account = read_json("s1.qc.json")
    assert account["status"] == "failed"
    assert sum(account["removed"].values()) == account["n_barcodes"]
