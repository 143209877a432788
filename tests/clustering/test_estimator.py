"""The estimator: conventions, cuts, no label leak, degenerate input, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save as to_bytes
from scipy.sparse import coo_array, csr_matrix
from scsiameseclu import ScSiameseClu
from scsiameseclu._version import __version__
from scsiameseclu.clustering import storage
from scsiameseclu.clustering.check_device import check_device
from scsiameseclu.clustering.consensus.levels import by_falling_size
from scsiameseclu.clustering.estimator import (
    Expression,
    prepare_expression,
    raw_counts,
    resolve_device,
)
from scsiameseclu.clustering.network.train import Components, Training
from scsiameseclu.clustering.progress import Progress
from scsiameseclu.clustering.recut import recut
from scsiameseclu.clustering.stability import resampling_stability
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json
from scsiameseclu.threads import THREAD_POOLS, VARIABLE
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from tests.clustering.simulated_counts import nested, simulated, with_components

pytestmark = pytest.mark.slow

SHORT = Training(warmup_steps=10, clustering_steps=10, n_genes=60)


def model(**options: object) -> ScSiameseClu:
    return ScSiameseClu(**{"n_clusters": 3, "device": "cpu", "training": SHORT} | options)


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return with_components(simulated())


@pytest.fixture(scope="module")
def fitted(adata) -> ScSiameseClu:
    return model().fit(adata)


def state(fitted: ScSiameseClu) -> bytes:
    arrays = (
        *(fitted.labels_, fitted.coarse_labels_, fitted.fine_labels_, fitted.consensus_labels_),
        *(fitted.embedding_, fitted.soft_assignments_, fitted.confidence_, fitted.centroids_),
        *(fitted.dendrogram_.merges, fitted.dendrogram_.leaves, fitted.stability_),
    )
    return b"".join(array.tobytes() for array in arrays)


# --- what fit gives


def test_attributes_have_the_promised_shapes(adata, fitted):
    n = adata.n_obs
    assert fitted.labels_.dtype == np.int64
    assert fitted.labels_.shape == (n,)
    sizes = np.bincount(fitted.labels_)
    assert len(sizes) == fitted.n_clusters_ == 3
    assert (np.diff(sizes) <= 0).all()
    assert fitted.embedding_.dtype == np.float32
    assert fitted.embedding_.shape == (n, 10)
    np.testing.assert_allclose(fitted.soft_assignments_.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(
        fitted.soft_assignments_[np.arange(n), fitted.labels_], fitted.confidence_
    )
    assert len(fitted.history_) == 20
    assert fitted.consensus_labels_.shape == (n,)
    assert set(fitted.cluster_stability_) == {0, 1, 2}
    assert all(0 < value <= 1 for value in fitted.cluster_stability_.values())
    assert fitted.device_ == "cpu"
    assert fitted.n_features_in_ == adata.n_vars
    assert fitted.method_ == "scsiameseclu"
    assert fitted.reason_ == ""
    json.dumps(fitted.description())
    assert fitted.centroids_.shape == (3, 10)
    tree = fitted.dendrogram_
    assert tree.leaves.shape == (n,)
    assert sorted(set(tree.leaves.tolist())) == list(range(tree.n_leaves))
    assert fitted.stability_.shape == (2 * tree.n_leaves - 1,)
    assert ((fitted.stability_ > 0) & (fitted.stability_ <= 1)).all()


def test_planted_types_are_found(adata, fitted):
    assert adjusted_rand_score(adata.obs["label"], fitted.labels_) > 0.9


def test_fit_leaves_the_anndata_as_it_was(adata):
    before = adata.copy()
    model().fit(adata)
    assert list(adata.obs) == list(before.obs)
    assert list(adata.obsm) == list(before.obsm)
    assert list(adata.uns) == list(before.uns)
    assert (adata.X != before.X).nnz == 0


def test_fit_predict_returns_the_labels(adata, fitted):
    np.testing.assert_array_equal(model().fit_predict(adata), fitted.labels_)


def test_annotate_sets_the_promised_fields(adata, fitted):
    annotated = adata.copy()
    fitted.annotate(annotated)
    assert list(annotated.obs["cluster"].cat.categories) == ["0", "1", "2"]
    for name, labels in fitted.levels().items():
        assert annotated.obs[name].dtype == "category"
        np.testing.assert_array_equal(annotated.obs[name].astype(int), labels)
    assert list(fitted.levels()) == ["cluster", "cluster_coarse", "cluster_fine"]
    assert annotated.obs["cluster_confidence"].dtype == np.float32
    np.testing.assert_array_equal(annotated.obsm["X_scsiameseclu"], fitted.embedding_)
    described = json.loads(annotated.uns["scsiameseclu"])
    assert described["seed"] == 0
    assert described["parameters"]["training"]["warmup_steps"] == 10
    assert "torch" in described["versions"]


def test_annotate_refuses_other_cells(adata, fitted):
    with pytest.raises(InputError, match="160 cells and cannot annotate 20"):
        fitted.annotate(adata[:20].copy())


def test_annotate_refuses_the_same_cells_in_another_order(adata, fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    permuted = adata[::-1].copy()
    for same in (fitted, ScSiameseClu.load(tmp_path / "model.safetensors")):
        with pytest.raises(InputError, match="their order, are not those of the fit") as caught:
            same.annotate(permuted)
        assert "in the order of the fit" in caught.value.problems[0].remedy
        assert "cluster" not in permuted.obs
        same.annotate(permuted[::-1].copy())


def test_cells_of_a_bare_matrix_have_no_names(adata):
    bare = model(method="consensus").fit(adata.X)
    assert bare.cells_digest_ is None
    bare.annotate(adata.copy())


def test_the_consensus_alone_can_be_asked_for(adata, fitted):
    alone = model(method="consensus").fit(adata)
    np.testing.assert_array_equal(alone.labels_, fitted.consensus_labels_)
    assert alone.method_ == "consensus"
    assert alone.history_.empty
    assert alone.network_ is None
    np.testing.assert_allclose(alone.soft_assignments_.sum(1), 1, atol=1e-5)


def test_the_number_of_clusters_can_be_found(adata):
    found = model(n_clusters="auto", method="consensus").fit(adata)
    assert found.n_clusters_ == 3


# --- levels and cuts


@pytest.fixture(scope="module")
def trained_auto() -> tuple[ad.AnnData, ScSiameseClu]:
    """Return cells of types that resemble each other, and a model that has moved cells."""
    cells = simulated(sizes=(70, 60, 40, 30), n_genes=40, seed=2)
    return cells, model(n_clusters="auto").fit(with_components(cells))


@pytest.mark.parametrize("k", [2, 3, 6, "auto"])
def test_levels_are_nested_after_training(k, trained_auto):
    cells, fitted = trained_auto
    found = fitted if k == "auto" else model(n_clusters=k).fit(cells)
    assert found.method_ == "scsiameseclu"
    assert nested(found.fine_labels_, found.labels_)
    assert nested(found.labels_, found.coarse_labels_)
    for labels in found.levels().values():
        assert (np.diff(np.bincount(labels)) <= 0).all()
    assert nested(found.dendrogram_.leaves, found.labels_)
    if k != "auto":
        assert found.n_clusters_ == k


def test_the_stability_of_a_cluster_is_that_of_its_node(fitted):
    nodes = fitted.dendrogram_.into(3)
    for cluster, stability in fitted.cluster_stability_.items():
        (node,) = np.unique(nodes[fitted.labels_ == cluster])
        assert stability == fitted.stability_[node]


def test_cuts_are_those_of_the_dendrogram(fitted):
    np.testing.assert_array_equal(fitted.cut(n_clusters=3), fitted.labels_)
    for k in range(1, fitted.dendrogram_.n_leaves + 1):
        labels = fitted.cut(n_clusters=k)
        assert labels.dtype == np.int64
        assert len(np.unique(labels)) == k == labels.max() + 1
        assert (np.diff(np.bincount(labels)) <= 0).all()
        assert nested(fitted.cut(n_clusters=k), fitted.cut(n_clusters=max(k - 1, 1)))


def test_cuts_by_detail_are_the_levels_and_nested(trained_auto):
    _, found = trained_auto
    np.testing.assert_array_equal(found.cut(detail=found.detail), found.labels_)
    np.testing.assert_array_equal(found.cut(detail=0), found.coarse_labels_)
    np.testing.assert_array_equal(found.cut(detail=1), found.fine_labels_)
    cuts = [found.cut(detail=detail) for detail in np.linspace(0, 1, 6)]
    assert all(nested(finer, coarser) for coarser, finer in pairwise(cuts))


def test_the_detail_moves_the_cut_of_auto(trained_auto):
    cells, found = trained_auto
    for detail in (0.0, 1.0):
        fitted = model(n_clusters="auto", detail=detail, method="consensus").fit(cells)
        np.testing.assert_array_equal(fitted.labels_, fitted.cut(detail=detail))
    assert (
        len(np.unique(found.cut(detail=0)))
        <= found.n_clusters_
        <= len(np.unique(found.cut(detail=1)))
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a number of clusters or a detail"),
        ({"n_clusters": 2, "detail": 0.5}, "either a number of clusters or a detail"),
        ({"n_clusters": 0}, "n_clusters is '0'"),
        ({"n_clusters": 2.5}, "n_clusters is '2.5'"),
        ({"n_clusters": True}, "n_clusters is 'True'"),
        ({"n_clusters": "auto"}, "n_clusters is 'auto'"),
        ({"n_clusters": 161}, "161 clusters were asked for"),
        ({"detail": -0.1}, "detail is '-0.1'"),
        ({"detail": 1.1}, "detail is '1.1'"),
        ({"detail": float("nan")}, "detail is 'nan'"),
        ({"detail": "fine"}, "detail is 'fine'"),
    ],
)
def test_invalid_cuts_are_rejected(fitted, options, message):
    with pytest.raises(InputError, match=message):
        fitted.cut(**options)


# --- no leak, no chance


@pytest.mark.parametrize("change", ["absent", "permuted", "adversarial"])
def test_labels_in_obs_change_nothing(adata, fitted, change):
    other = adata.copy()
    if change == "absent":
        other.obs = pd.DataFrame(index=other.obs_names)
    elif change == "permuted":
        other.obs["label"] = np.random.default_rng(0).permutation(other.obs["label"].to_numpy())
    else:
        other.obs["label"] = other.obs["cluster"] = other.obs["cell_type"] = "one"
    assert state(model().fit(other)) == state(fitted)


def test_the_same_seed_gives_the_same_bytes(adata, fitted, tmp_path):
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    again = model().fit(adata)
    assert state(again) == state(fitted)
    again.save(tmp_path / "again")
    fitted.save(tmp_path / "first")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


def test_the_number_of_threads_changes_nothing(adata, fitted):
    with threadpool_limits(2):
        assert state(model().fit(adata)) == state(fitted)


FIT = """
import sys
import anndata as ad
from scsiameseclu import ScSiameseClu
from scsiameseclu.clustering.consensus import partitions
from scsiameseclu.clustering.network.train import Training
few, many, trained, sketched = sys.argv[1:]
training = Training(warmup_steps=10, clustering_steps=10, n_genes=60)
model = ScSiameseClu(n_clusters=3, device="cpu", training=training)
model.fit(ad.read_h5ad(few)).save(trained)
partitions.IN_PARALLEL = 0
model = ScSiameseClu(method="consensus", device="cpu", max_cells=200)
model.fit(ad.read_h5ad(many)).save(sketched)
"""


def test_any_number_of_threads_and_processes_gives_the_same_bytes(adata, tmp_path):
    """In processes of their own: libraries read the variables when they are loaded."""
    adata.write_h5ad(tmp_path / "few")
    with_components(simulated(sizes=(400, 250, 150))).write_h5ad(tmp_path / "many")
    for threads in ("1", "2"):
        names = ("few", "many", f"trained_{threads}", f"sketched_{threads}")
        command = [sys.executable, "-c", FIT, *(tmp_path / name for name in names)]
        own = dict.fromkeys((VARIABLE, *THREAD_POOLS), threads)
        own["PYTHONPATH"] = os.pathsep.join(sys.path)
        subprocess.run(command, env=os.environ | own, check=True)
    for name in ("trained", "sketched"):
        one, two = ((tmp_path / f"{name}_{threads}").read_bytes() for threads in ("1", "2"))
        assert one == two, name


def test_missing_components_are_computed():
    bare = simulated()
    found = model().fit(bare)
    assert adjusted_rand_score(bare.obs["label"], found.labels_) > 0.9
    assert not bare.obsm


def test_counts_in_x_and_in_a_layer_are_the_same(adata, fitted):
    other = adata.copy()
    other.X = other.X.astype(np.float32)
    del other.layers["counts"]
    assert state(model().fit(other)) == state(fitted)


def test_a_backed_anndata_and_bare_matrices_are_read(tmp_path):
    cells = simulated()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    expected = state(model(method="consensus").fit(cells))
    dense, names = cells.X.toarray(), {"index": cells.obs_names, "columns": cells.var_names}
    matrices = {
        "backed": ad.read_h5ad(tmp_path / "cells.h5ad", backed="r"),
        "array": dense,
        "float array": dense.astype(np.float64),
        "list": dense.tolist(),
        "csr": cells.X,
        "csc": cells.X.tocsc(),
        "sparse array": coo_array(dense),
        "DataFrame": pd.DataFrame(dense, **names),
        "DataFrame without names": pd.DataFrame(dense),
        "sparse DataFrame": pd.DataFrame.sparse.from_spmatrix(cells.X),
        "nullable DataFrame": pd.DataFrame(dense, **names).astype("Int64"),
    }
    for name, matrix in matrices.items():
        found = model(method="consensus").fit(matrix)
        assert state(found) == expected, name
        assert found.n_features_in_ == 120
    assert matrices["backed"].isbacked
    matrices["backed"].file.close()


def test_a_backed_layer_and_its_components_are_read(adata, fitted, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert state(model().fit(backed)) == state(fitted)
    backed.file.close()


# --- scikit-learn


def test_parameters_can_be_read_set_and_cloned():
    original = model(crr=False, random_state=7)
    twin = clone(original)
    assert twin is not original
    assert twin.get_params() == original.get_params()
    assert not twin.components().crr
    assert twin.set_params(sizes="equal").components() == Components(crr=False, sizes="equal")


def test_every_switch_is_a_parameter():
    parameters = ScSiameseClu().get_params()
    defaults = Components()
    for name, value in vars(defaults).items():
        assert parameters[name] == value, name


def test_the_constructor_does_no_work():
    assert ScSiameseClu(n_clusters=-3, device="nonsense").n_clusters == -3


@pytest.mark.parametrize(
    "use",
    [
        lambda unfitted, _: unfitted.cut(n_clusters=2),
        lambda unfitted, adata: unfitted.annotate(adata.copy()),
        lambda unfitted, _: unfitted.levels(),
        lambda unfitted, _: unfitted.description(),
        lambda unfitted, _: unfitted.save("model"),
        lambda unfitted, _: recut(unfitted, n_clusters=2),
    ],
)
def test_a_model_that_is_not_fitted_says_so(adata, use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed = model(method="consensus")
    with pytest.raises(InputError):
        failed.fit(np.zeros((60, 10)))
    for unfitted in (model(), failed):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            use(unfitted, adata)
    assert not list(tmp_path.iterdir())


def test_all_terms_off_leave_the_consensus(adata, fitted):
    idle = model(sfm=False, zinb=False, otc=False).fit(adata)
    assert idle.method_ == "consensus"
    assert "switched off" in idle.reason_
    np.testing.assert_array_equal(idle.labels_, fitted.consensus_labels_)


# --- input that does not fit


@pytest.mark.parametrize("k", [0, -3, 2.5, "three", True, None])
def test_bad_numbers_of_clusters_are_refused(adata, k):
    with pytest.raises(InputError, match="n_clusters"):
        model(n_clusters=k).fit(adata)


def test_more_clusters_than_cells_are_refused(adata):
    with pytest.raises(InputError, match="161 clusters cannot be made of 160 cells"):
        model(n_clusters=161).fit(adata)


@pytest.mark.parametrize("detail", [-0.1, 1.5, "fine", None, True, float("nan")])
def test_bad_details_are_refused(adata, detail):
    with pytest.raises(InputError, match="detail"):
        model(detail=detail).fit(adata)


@pytest.mark.parametrize("seed", [-1, 0.5, None, "zero", True, 2**31, 2**32, 2**70])
def test_bad_seeds_are_refused(adata, seed):
    with pytest.raises(InputError, match="random_state"):
        model(random_state=seed).fit(adata)


def test_numbers_of_numpy_are_numbers(adata, fitted, tmp_path):
    found = model(n_clusters=np.int64(3), random_state=np.int32(0)).fit(adata)
    assert state(found) == state(fitted)
    found.save(tmp_path / "model.safetensors")
    found.annotate(adata.copy())


@pytest.mark.parametrize("name", ["device", "method", "cell_target", "sizes"])
def test_unknown_words_are_refused(adata, name):
    with pytest.raises(InputError, match=f"{name} is 'nonsense'"):
        model(**{name: "nonsense"}).fit(adata)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="torch finds none") as caught:
        resolve_device("cuda")
    assert "'auto' or 'cpu'" in caught.value.problems[0].remedy
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="torch finds none"):
        check_device(device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_available_device_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_device(device="auto")
    assert read_json("device.json") == {"device": "cpu", "name": None}


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.array([[1.5, 0]]), "fractional"),
        (np.array([[-1, 0]]), "negative"),
        (np.array([[np.nan, 0]]), "not finite"),
        (np.array([[np.inf, 0]]), "not finite"),
        (np.zeros((0, 2)), "empty"),
        (np.zeros((2, 0)), "empty"),
        (None, "no counts"),
    ],
)
def test_matrices_without_raw_counts_are_rejected(matrix, message):
    adata = ad.AnnData(X=matrix, shape=(2, 2)) if matrix is None else ad.AnnData(X=matrix)
    with pytest.raises(InputError, match=message):
        raw_counts(adata)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (None, "NoneType, not a matrix"),
        (3, "int, not a matrix"),
        ("cells.h5ad", "str, not a matrix"),
        (["a", "b"], "list, not a matrix"),
        ([[1, 2], [3]], "list, not a matrix"),
        (np.arange(5), "ndarray, not a matrix"),
        (np.zeros((2, 2, 2)), "ndarray, not a matrix"),
        (coo_array(np.arange(5)), "coo_array, not a matrix"),
        (pd.Series([1, 2]), "Series, not a matrix"),
        ([["a", "b"]], "not numbers"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([["a", "b"]], dtype=object), "not numbers"),
        (np.array([[1, 2j]]), "not numbers"),
        (pd.DataFrame({"gene": [1, 2], "other": ["x", "y"]}), "not numbers"),
        (ad.AnnData(np.array([["a", "b"]], dtype=object)), "not numbers"),
        (pd.DataFrame({"gene": [1, None]}, dtype="Int64"), "not finite"),
        (pd.DataFrame({"gene": [1, np.nan]}), "not finite"),
        (np.array([[1.5, 0]]), "fractional"),
    ],
)
def test_other_objects_than_count_matrices_are_rejected(matrix, message):
    with pytest.raises(InputError, match=message):
        model().fit(matrix)


@pytest.mark.parametrize("counts", [np.zeros((60, 10)), np.ones((2, 10)), np.ones((60, 1))])
def test_the_remedy_for_too_small_counts_is_not_an_option_of_the_command(counts):
    with pytest.raises(InputError, match="are too few to compare cells") as caught:
        model(n_clusters="auto").fit(counts)
    assert "--" not in caught.value.problems[0].remedy


def test_missing_values_in_the_components_are_refused(adata):
    other = adata.copy()
    other.obsm["X_pca"][0, 0] = np.nan
    with pytest.raises(InputError, match="principal components"):
        model().fit(other)


def marks(*values: object, dtype: str | None = None) -> pd.Series:
    """Return values for 120 genes, repeated."""
    return pd.Series(list(values) * (120 // len(values)), dtype=dtype)


@pytest.mark.parametrize(
    "values",
    [
        marks("True", "False"),
        marks("True", "False", dtype="category"),
        marks(True, None),
        marks(True, np.nan),
        marks(True, None, dtype="boolean"),
        marks(1, 0),
        marks(1.0, np.nan),
        marks(False),
        marks(False, dtype="boolean"),
    ],
    ids=str,
)
def test_genes_that_are_not_marked_as_variable_or_not_are_refused(adata, values):
    other = adata.copy()
    other.var["highly_variable"] = values.to_numpy() if values.dtype == object else values.array
    with pytest.raises(InputError, match="not marked by True and False") as caught:
        model().fit(other)
    assert "Delete var['highly_variable']" in caught.value.problems[0].remedy


@pytest.mark.parametrize("dtype", ["bool", "object", "boolean"])
def test_variable_genes_of_any_type_of_column_are_read(adata, dtype):
    other = adata.copy()
    other.var["highly_variable"] = marks(True, True, False, dtype=dtype).array
    found = prepare_expression(other, raw_counts(other)).highly_variable
    assert found.dtype == bool
    assert found.tolist() == [True, True, False] * 40


@pytest.mark.parametrize(
    "components",
    [
        csr_matrix(np.ones((160, 3))),
        np.ones((160, 0)),
        np.ones((160, 2, 2)),
        np.full((160, 2), "1"),
        np.full((160, 2), 1j),
    ],
    ids=["sparse", "none", "three dimensions", "text", "complex"],
)
@pytest.mark.parametrize("batch_key", [None, "label"])
def test_components_that_are_no_dense_matrix_are_refused(adata, components, batch_key):
    other = adata.copy()
    other.obsm["X_pca"] = components
    with pytest.raises(InputError, match="not a dense matrix") as caught:
        model(batch_key=batch_key).fit(other)
    assert "Delete obsm['X_pca']" in caught.value.problems[0].remedy


def test_components_can_be_a_table(adata):
    other = adata.copy()
    other.obsm["X_pca"] = pd.DataFrame(
        adata.obsm["X_pca"], index=adata.obs_names, columns=[f"PC{i}" for i in range(10)]
    )
    options = {"method": "consensus", "batch_key": "label", "batch_correction": "none"}
    assert state(model(**options).fit(other)) == state(model(**options).fit(adata))


# --- degenerate input


def degenerate(name: str) -> tuple[ad.AnnData, int | str]:
    cells = simulated()
    if name == "few cells":
        return simulated(sizes=(12, 8, 5)), 3
    if name == "one cluster":
        return cells, 1
    if name == "as many clusters as cells":
        return simulated(sizes=(12, 8, 5)), 25
    if name == "almost as many clusters as cells":
        return cells, 120
    if name == "constant genes":
        x = cells.X.toarray()
        x[:, :60] = 2
        return ad.AnnData(csr_matrix(x)), 3
    if name == "empty cells":
        x = cells.X.toarray()
        x[:5] = 0
        return ad.AnnData(csr_matrix(x)), 3
    if name == "duplicates":
        return ad.AnnData(csr_matrix(np.repeat(cells.X[:1].toarray(), 70, axis=0))), 3
    if name == "duplicates, auto":
        return ad.AnnData(csr_matrix(np.repeat(cells.X[:1].toarray(), 70, axis=0))), "auto"
    x = np.zeros((60, 30), dtype=int)
    x[:, 3] = np.arange(60) % 7
    return ad.AnnData(csr_matrix(x)), 2


@pytest.mark.parametrize(
    "name",
    [
        "few cells",
        "one cluster",
        "as many clusters as cells",
        "almost as many clusters as cells",
        "constant genes",
        "empty cells",
        "duplicates",
        "duplicates, auto",
        "one gene expressed",
    ],
)
def test_degenerate_input_gives_a_sensible_result(name):
    cells, k = degenerate(name)
    found = model(n_clusters=k).fit(with_components(cells))
    assert found.labels_.shape == (cells.n_obs,)
    assert 1 <= found.n_clusters_ <= cells.n_obs
    assert np.isfinite(found.embedding_).all()
    np.testing.assert_allclose(found.soft_assignments_.sum(1), 1, atol=1e-4)
    assert (found.method_ == "consensus") == bool(found.reason_)
    if name == "one cluster":
        assert (found.labels_ == 0).all()
        assert found.reason_ == "there is one cluster only"
    if name == "few cells":
        assert "too few" in found.reason_
    if name.startswith("duplicates"):
        assert found.n_clusters_ == 1
    if name == "as many clusters as cells":
        assert found.n_clusters_ == 25
    assert nested(found.fine_labels_, found.labels_)
    assert nested(found.labels_, found.coarse_labels_)
    np.testing.assert_array_equal(found.labels_, by_falling_size(found.labels_))


# --- evidence


def test_stability_is_high_for_planted_types_and_low_for_noise(adata, fitted):
    expression = prepare_expression(adata, raw_counts(adata))
    assert resampling_stability(expression, fitted.labels_) > 0.9
    shuffled = np.random.default_rng(0).permutation(fitted.labels_)
    assert resampling_stability(expression, shuffled, n_resamples=1) < 0.1


def test_stability_of_one_cluster_is_not_measured(adata):
    expression = Expression(
        raw_counts(adata), np.ones(adata.n_vars, dtype=bool), adata.obsm["X_pca"]
    )
    assert resampling_stability(expression, np.zeros(adata.n_obs, dtype=np.int64)) is None
    assert resampling_stability(expression, np.arange(adata.n_obs) % 3, n_resamples=0) is None


def test_progress_is_reported_only_on_request(adata, capsys):
    model().fit(adata)
    assert capsys.readouterr().err == ""
    model(verbose=True).fit(adata)
    assert "Training on cpu" in capsys.readouterr().err


def test_progress_estimates_the_time_left(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 100.0, 101.0, 106.0, 107.0])
    monkeypatch.setattr("scsiameseclu.clustering.progress.time.monotonic", lambda: next(clock))
    progress = Progress(enabled=True)
    progress.stage("Training")
    for done in (1, 2, 7, 8):
        progress.step(done, 19)
    assert capsys.readouterr().err.splitlines() == [
        "Training",
        "  step 2 of 19, 17 s left",
        "  step 7 of 19, 12 s left",
    ]


# --- files


@pytest.mark.parametrize("method", ["scsiameseclu", "consensus"])
def test_a_saved_model_is_restored_completely(adata, tmp_path, method):
    original = model(method=method).fit(adata)
    original.save(tmp_path / "model.safetensors")
    twin = ScSiameseClu.load(tmp_path / "model.safetensors")
    assert state(twin) == state(original)
    assert twin.get_params() == original.get_params()
    assert twin.description() == original.description()
    for name in ("merges", "leaves"):
        assert (
            getattr(twin.dendrogram_, name).tobytes()
            == getattr(original.dendrogram_, name).tobytes()
        )
    for options in ({"n_clusters": 1}, {"n_clusters": 5}, {"detail": 0}, {"detail": 0.7}):
        np.testing.assert_array_equal(twin.cut(**options), original.cut(**options))
    assert {name: labels.tobytes() for name, labels in twin.levels().items()} == {
        name: labels.tobytes() for name, labels in original.levels().items()
    }
    assert twin.cluster_stability_ == original.cluster_stability_
    pd.testing.assert_frame_equal(twin.history_, original.history_)
    twin.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "model.safetensors"
    ).read_bytes()
    if method == "scsiameseclu":
        for name, value in original.network_.state_dict().items():
            assert torch.equal(value, twin.network_.state_dict()[name]), name


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04\x95pickle"])
def test_a_file_other_than_a_model_is_rejected(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a model"):
        ScSiameseClu.load(path)


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a model"):
        ScSiameseClu.load(tmp_path / "missing")


def changed(path, change) -> None:
    """Change the metadata and arrays of a saved model."""
    with safe_open(path, framework="numpy") as file:
        metadata = json.loads(file.metadata()[storage.KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata = change(metadata, tensors) or metadata
    path.write_bytes(to_bytes(tensors, metadata={storage.KEY: json.dumps(metadata)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found, _: found["parameters"].update(of_old=1), "of_old"),
        (lambda found, _: found["parameters"].pop("training"), "it has no 'training'"),
        (lambda found, _: found.update(parameters=3), "int"),
        (lambda found, _: found.update(parameters={"training": {"of_old": 1}}), "of_old"),
        (lambda found, _: found.pop("n_features_in_"), "it has no 'n_features_in_'"),
        (lambda found, _: found.update(n_clusters_="three"), "n_clusters_ is 'three'"),
        (lambda found, _: found.update(batch_judgement_={"of_old": 1}), "of_old"),
        (lambda found, _: found.update(cluster_stability_={"one": 1}), "one"),
        (lambda found, _: found.update(history_=[3]), "int"),
        (lambda _, arrays: arrays.pop("labels_"), "it has no 'labels_'"),
        (lambda _, arrays: arrays.pop("network.head.2.weight"), "head"),
        (lambda *_: [1], "list"),
    ],
)
def test_a_model_of_another_version_is_rejected_by_its_version(fitted, tmp_path, change, message):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    changed(path, lambda found, _: found.update(version="0.0.7"))
    ScSiameseClu.load(path)
    changed(path, lambda *given: found if isinstance(found := change(*given), list) else None)
    with pytest.raises(InputError, match=message) as caught:
        ScSiameseClu.load(path)
    (problem,) = caught.value.problems
    assert "cannot be read as a model" in problem.what
    assert "of version '0.0.7'" in problem.what or message == "list"
    assert f"of version {__version__}" in problem.remedy
