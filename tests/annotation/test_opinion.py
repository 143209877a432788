"""A second opinion: CellTypist's models, which may be hostile, and the verdict on clusters."""

from __future__ import annotations

import os
import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.celltypist import Model, celltypist_types, checked_model
from scsiameseclu.annotation.check import check
from scsiameseclu.annotation.opinion import opinion, second_opinion
from scsiameseclu.annotation.reference import checked_reference
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table, write_h5ad, write_table
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.preprocessing import StandardScaler

from .conftest import TYPES, simulate
from .test_reference import labelled, path, samples  # noqa: F401

HOSTILE = "=T cell <b>'\"; $(touch evil)"


def trained(adata, names, classifier=None):
    """Return a model as CellTypist keeps it, and what scikit-learn says of the same cells."""
    values = adata.X.toarray().astype(float)
    scaler = StandardScaler().fit(values)
    model = (classifier or LogisticRegression()).fit(scaler.transform(values), names)
    model.features = adata.var["gene_symbols"].to_numpy(dtype=object)
    scaled = np.minimum(scaler.transform(values), 10)
    parts = {"Model": model, "Scaler_": scaler, "description": {"date": "2026", "number": 3}}
    return parts, model.predict(scaled), model.decision_function(scaled)


@pytest.fixture(scope="module")
def cells():
    return simulate()


def dumped(tmp_path, value, protocol=4):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(value, protocol))
    return tmp_path / "model.pkl"


def own_names(adata):
    names = [HOSTILE, *list(TYPES)[1:]]
    return adata.obs["cluster"].astype(str).map(dict(zip("012", names, strict=True))).to_numpy()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("classifier", [LogisticRegression(), SGDClassifier(loss="log_loss")])
def test_cells_get_the_types_that_scikit_learn_gives(cells, tmp_path, classifier, protocol):
    parts, expected, decision = trained(cells, own_names(cells), classifier)
    model = checked_model(dumped(tmp_path, parts, protocol))
    model.write(tmp_path / "model.npz")
    order = np.random.default_rng(0).permutation(cells.n_vars)
    found = celltypist_types(cells[:, order].copy(), Model.read(tmp_path / "model.npz"))
    assert (found["type"] == expected).all()
    np.testing.assert_allclose(found["score"], 1 / (1 + np.exp(-decision.max(axis=1))), atol=1e-6)


def test_a_model_of_two_types(cells, tmp_path):
    parts, expected, _ = trained(cells, np.where(cells.obs["cluster"] == "0", "no", "yes"))
    found = celltypist_types(cells, checked_model(dumped(tmp_path, parts)))
    assert (found["type"] == expected).all()


class Evil:
    """Runs a program when it is read."""

    def __reduce__(self):
        return os.system, ("touch evil",)


class Sneaky:
    """Runs Python when it is read."""

    def __reduce__(self):
        return eval, ("open('evil', 'w')",)


@pytest.mark.parametrize("evil", [Evil, Sneaky])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_code_in_a_model_is_refused_and_not_run(cells, tmp_path, monkeypatch, evil, protocol):
    monkeypatch.chdir(tmp_path)
    parts, _, _ = trained(cells, own_names(cells))
    with pytest.raises(InputError, match=r"was refused: it asks for '\w+\.(system|eval)'"):
        checked_model(dumped(tmp_path, parts | {"description": evil()}, protocol))
    assert not (tmp_path / "evil").exists()


class Pointer:
    """Makes numpy take eight bytes of the file for the address of an object."""

    def __reduce__(self):
        kind = pickle.loads(pickle.dumps(np.dtype([("a", "f8")])))
        kind.__setstate__((3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 8, 0))
        return *np.zeros(1).__reduce__()[:2], (1, (1,), kind, False, b"A" * 8)


def test_bytes_of_a_model_are_not_used_as_addresses(cells, tmp_path):
    parts, _, _ = trained(cells, own_names(cells))
    parts["Model"].classes_ = Pointer()
    with pytest.raises(InputError, match=r"asks for 'numpy.dtype V8'"):
        checked_model(dumped(tmp_path, parts))
    parts["Model"].classes_ = [2**2000]
    with pytest.raises(InputError, match="missing or do not fit"):
        checked_model(dumped(tmp_path, parts))


def test_other_mistakes_of_a_model(cells, tmp_path):
    parts, _, _ = trained(cells, own_names(cells))
    (tmp_path / "model.pkl").write_text("no pickle")
    with pytest.raises(InputError, match="not a pickle file, or it is damaged"):
        checked_model(tmp_path / "model.pkl")
    for wrong in ([], {"Model": parts["Model"]}, parts | {"Scaler_": None}):
        with pytest.raises(InputError, match="missing or do not fit"):
            checked_model(dumped(tmp_path, wrong))
    parts["Model"].features = parts["Model"].features[:-1]
    with pytest.raises(InputError, match="missing or do not fit"):
        checked_model(dumped(tmp_path, parts))


def test_a_model_of_other_genes(cells, tmp_path):
    parts, _, _ = trained(cells, own_names(cells))
    model = checked_model(dumped(tmp_path, parts))
    with pytest.raises(InputError, match=r"has 49 of the CellTypist model's 500 genes"):
        celltypist_types(cells[:, :49].copy(), model)
    assert len(celltypist_types(cells[:, :50].copy(), model)) == cells.n_obs


def test_a_model_is_checked_with_the_other_files_by_its_own_name(path, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    model = dumped(tmp_path, {"Model": Evil()})
    (tmp_path / "names.json").write_text('{"celltypist": "/there/my model.pkl"}')
    with pytest.raises(InputError) as error:
        check(
            samples=samples(tmp_path), labelled=path, reference_label="kind", celltypist=model,
            names=tmp_path / "names.json",
        )  # fmt: skip
    assert "no column 'kind'" in str(error.value)
    assert "my model.pkl" in str(error.value)


def test_the_verdict_on_a_cluster():
    clusters = pd.Series(pd.Categorical(list("000011112233")))
    types = ["T cells", "T cells", "B", "B", "B", "NK", "DC", "B", "B", "B", "B", "B"]
    cells = pd.DataFrame({"type": types, "score": 0.5, "delta": [0.0, 0.5] * 6})
    annotation = pd.DataFrame(
        {"cluster": list("0123"), "cell_type": ["B cell", "T cell", "T cell", "Unknown"]}
    )
    table = second_opinion(cells, clusters, annotation, "SingleR")
    assert list(table["opinion"]) == ["B", "B", "B", "B"]
    assert list(table["share"]) == [0.5, 0.5, 1.0, 1.0]
    assert list(table["agreement"]) == ["agrees", "disagrees", "disagrees", "no opinion"]
    assert list(table["n_cells"]) == [4, 4, 2, 2]
    assert set(table["mean_delta"]) == {0.25}
    later = clusters.cat.rename_categories({"1": "10"})
    assert list(second_opinion(cells, later, annotation, "x")["cluster"]) == ["0", "10", "2", "3"]
    cells["type"] = [*types[:4], "B", "NK", "DC", "pDC", *types[8:]]
    assert second_opinion(cells, clusters, annotation, "x")["agreement"][1] == "no opinion"


@pytest.fixture
def steps(group, path):  # noqa: F811
    """Give a group its annotation, a reference and a model."""
    annotation = pd.DataFrame({"cluster": list("012"), "cell_type": [*list(TYPES)[:2], "neuron"]})
    write_table(annotation, "g.annotation.tsv")
    write_h5ad(checked_reference(path, "type"), "reference.h5ad")
    checked_model(dumped(group.folder, trained(group.adata, own_names(group.adata))[0])).write(
        "celltypist.npz"
    )
    files = {"expression": group.expression, "clustering": group.clustering}
    return files | {"annotation": group.folder / "g.annotation.tsv"}


def test_both_opinions_reach_table_and_cells(group, steps):
    given = {"labelled": group.folder / "reference.h5ad", "model": group.folder / "celltypist.npz"}
    for prefix in ("g", "again"):
        opinion(prefix=prefix, **steps, **given)
    table = read_table("g.second_opinion.tsv", dtype={"cluster": str})
    assert list(table["source"]) == ["SingleR"] * 3 + ["CellTypist"] * 3
    assert list(table["agreement"]) == 2 * ["agrees", "agrees", "disagrees"]
    assert table["opinion"][3] == HOSTILE
    for name in ("second_opinion", "opinions"):
        again = group.folder / f"again.{name}.tsv"
        assert (group.folder / f"g.{name}.tsv").read_bytes() == again.read_bytes()

    umap = pd.DataFrame({"barcode": group.adata.obs_names, "umap_1": 0.0, "umap_2": 1.0})
    write_table(umap, "g.umap.tsv")
    columns = [group.folder / "g.opinions.tsv"]
    assemble(prefix="g", **steps, umap=group.folder / "g.umap.tsv", columns=columns)
    obs = ad.read_h5ad("g.h5ad").obs
    assert set(obs["celltypist_type"]) == set(own_names(group.adata))
    assert (obs["singler_type"] == read_table("g.opinions.tsv")["singler_type"].to_numpy()).all()


def test_one_opinion_that_fails_leaves_the_other(group, steps):
    model = Model.read("celltypist.npz")
    Model(np.char.add("x", model.genes), *list(vars(model).values())[1:]).write("celltypist.npz")
    with pytest.raises(InputError, match="has 0 of the CellTypist model's 500 genes"):
        opinion(
            prefix="g", **steps, labelled=group.folder / "reference.h5ad",
            model=group.folder / "celltypist.npz",
        )  # fmt: skip
    assert set(read_table("g.second_opinion.tsv")["source"]) == {"SingleR"}
    assert list(read_table("g.opinions.tsv")) == ["barcode", "singler_type"]
