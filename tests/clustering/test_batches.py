"""Batch correction: made where batches differ and share types, and nowhere else."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse
from scsiameseclu import ScSiameseClu
from scsiameseclu.annotation.assemble import cluster_table
from scsiameseclu.clustering import correction as decision
from scsiameseclu.clustering.consensus import batches as correction
from scsiameseclu.clustering.consensus import guard
from scsiameseclu.clustering.consensus.batches import corrected
from scsiameseclu.clustering.consensus.guard import Agreement, agreement, judged, mixing
from scsiameseclu.clustering.scsiameseclu import cluster
from scsiameseclu.errors import InputError
from scsiameseclu.expression.normalize import normalize
from scsiameseclu.files import read_json, set_settings
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

pytestmark = pytest.mark.slow

N_GENES = 300


def in_batches(sizes: list[list[int]], *, effect: float, seed: int = 0) -> ad.AnnData:
    """Return counts of `sizes[batch][type]` cells; `effect` is the SD of log batch factors."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.6, 2.0, size=N_GENES) * np.exp(
        rng.normal(0, 1.0, size=(len(sizes[0]), N_GENES))
    )
    factors = np.exp(rng.normal(0, effect, size=(len(sizes), N_GENES)))
    batches = np.repeat(np.arange(len(sizes)), [sum(row) for row in sizes])
    types = np.concatenate([rng.permutation(np.repeat(np.arange(len(row)), row)) for row in sizes])
    mean = rates[types] * factors[batches] * rng.lognormal(0, 0.3, size=(len(types), 1))
    obs = pd.DataFrame({"label": types, "batch": [f"b{batch}" for batch in batches]})
    obs.index = [f"b{batch}_c{i}" for i, batch in enumerate(batches)]
    counts = csr_matrix(rng.poisson(rng.gamma(2.0, mean / 2.0)).astype(np.int32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"g{j}" for j in range(N_GENES)]))


def fitted(cells: ad.AnnData, **options: object) -> ScSiameseClu:
    return ScSiameseClu(
        **{"method": "consensus", "device": "cpu", "batch_key": "batch", **options}
    ).fit(cells)


def right(cells: ad.AnnData, labels: np.ndarray) -> float:
    return float(adjusted_rand_score(cells.obs["label"], labels))


@pytest.fixture(scope="module")
def apart() -> ad.AnnData:
    """Three batches that differ strongly; the third is small, and has a type less."""
    return in_batches([[90, 70, 60], [80, 90, 40], [30, 20, 0]], effect=0.8)


@pytest.fixture(scope="module")
def model(apart) -> ScSiameseClu:
    return fitted(apart)


def test_batches_that_differ_are_corrected(apart, model):
    assert model.batch_judgement_.corrected
    assert model.batch_judgement_.n_batches == 3
    assert model.batch_judgement_.need < 0.5
    assert model.batch_judgement_.validity > 0.7
    assert model.batch_judgement_.shared > 0.7
    assert right(apart, model.labels_) == 1
    assert right(apart, model.uncorrected_labels_) < 0.7
    assert min(model.batch_agreement_.values()) > 0.7


def test_the_correction_can_be_switched_off(apart, model):
    off = fitted(apart, batch_correction="none")
    assert (off.labels_ == model.uncorrected_labels_).all()
    assert off.uncorrected_labels_ is None
    assert "switched off" in off.batch_judgement_.reason
    assert (fitted(apart, batch_key=None).labels_ == off.labels_).all()


def test_annotate_leaves_nothing_of_an_earlier_correction(apart, model):
    cells = apart.copy()
    model.annotate(cells)
    assert "cluster_uncorrected" in cells.obs
    assert "X_pca_corrected" in cells.obsm
    fitted(apart, batch_correction="none").annotate(cells)
    assert "cluster" in cells.obs
    assert "cluster_uncorrected" not in cells.obs
    assert "X_pca_corrected" not in cells.obsm


def test_with_a_sketch_labels_are_numbered_by_falling_size():
    """Three batches of many types, of which a sketch has a few cells each."""
    cells = in_batches([[60, 55, 50, 45, 40]] * 3, effect=0.8)
    found = fitted(cells, batch_correction="always", max_cells=150)
    labels = {"consensus": found.consensus_labels_, "uncorrected": found.uncorrected_labels_}
    for name, own in (found.levels() | labels).items():
        assert (np.diff(np.bincount(own)) <= 0).all(), name


def test_the_network_learns_from_corrected_components(apart, model):
    cells = ad.AnnData(obs=pd.DataFrame(index=apart.obs_names))
    model.annotate(cells)
    assert (cells.obs["cluster_uncorrected"].astype(int) == model.uncorrected_labels_).all()
    components = cells.obsm["X_pca_corrected"]
    raw = normalize(apart).obsm["X_pca"]
    assert components.shape == raw.shape
    assert distance_of_batches(apart, components) < 0.2 * distance_of_batches(apart, raw)


def distance_of_batches(cells: ad.AnnData, components: np.ndarray) -> float:
    """Return the distance of two batches' means of one type, over the components' spread."""
    of_type = cells.obs["label"] == 0
    first, second = (
        components[of_type & (cells.obs["batch"] == name)].mean(axis=0) for name in ("b0", "b1")
    )
    return float(np.linalg.norm(first - second) / components.std())


def in_order(cells: ad.AnnData, *names: str) -> list[ad.AnnData]:
    return [cells[cells.obs["batch"] == name] for name in names]


def assert_same(cells: ad.AnnData, model: ScSiameseClu, other: ScSiameseClu) -> None:
    """Assert that models agree on each cell; the other had them in the order b2, b0, b1."""
    for name in (
        "labels_",
        "uncorrected_labels_",
        "confidence_",
        "embedding_",
        "corrected_components_",
    ):
        values = dict(zip(cells.obs_names, getattr(model, name), strict=True))
        pieces = in_order(cells, "b2", "b0", "b1")
        expected = [values[cell] for piece in pieces for cell in piece.obs_names]
        assert np.array_equal(getattr(other, name), expected), name
    assert np.array_equal(np.sort(other.dendrogram_.leaves), np.sort(model.dendrogram_.leaves))


def test_samples_in_any_order_get_the_same_labels(apart, model):
    assert_same(apart, model, fitted(ad.concat(in_order(apart, "b2", "b0", "b1"))))


def test_the_number_of_threads_changes_no_byte(apart, model, tmp_path):
    with threadpool_limits(2):
        fitted(apart).save(tmp_path / "two")
    model.save(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture
def limits(monkeypatch) -> None:
    """Sketches of every kind: of the clustering, of the judgement, and of the correction."""
    monkeypatch.setattr(decision, "JUDGED_CELLS", 150)
    monkeypatch.setattr(correction, "FITTED_CELLS", 200)


@pytest.fixture
def sketched(apart, limits) -> ScSiameseClu:
    return fitted(apart, max_cells=300)


def test_with_sketches_batches_that_differ_are_corrected(apart, sketched):
    assert sketched.sketch_.sum() == 300
    assert sketched.batch_judgement_.corrected
    assert right(apart, sketched.labels_) > 0.95
    assert right(apart, sketched.uncorrected_labels_) < 0.7


@pytest.mark.usefixtures("limits")
def test_decisions_on_a_sketch_hold_for_all_cells(apart):
    """Labels are those of all cells, corrected or not; those of the other cells are assigned."""
    always = fitted(apart, batch_correction="always")
    assert always.labels_.tobytes() == fitted(apart).labels_.tobytes()
    assert len(always.uncorrected_labels_) == apart.n_obs
    other = in_batches([[90, 70, 0, 0], [0, 0, 80, 60]], effect=0.8)
    found = fitted(other)
    assert not found.batch_judgement_.corrected
    assert found.labels_.tobytes() == fitted(other, batch_correction="none").labels_.tobytes()


@pytest.mark.usefixtures("limits")
def test_batches_that_mix_in_a_sketch_are_left_alone():
    cells = in_batches([[150, 120, 90]], effect=0)
    cells.obs["batch"] = np.sort(np.random.default_rng(1).integers(3, size=cells.n_obs)).astype(str)
    found = fitted(cells, max_cells=300)
    assert not found.batch_judgement_.corrected
    assert "mix" in found.batch_judgement_.reason


def test_with_sketches_samples_in_any_order_get_the_same_labels(apart, sketched):
    assert_same(
        apart, sketched, fitted(ad.concat(in_order(apart, "b2", "b0", "b1")), max_cells=300)
    )


def test_with_sketches_the_number_of_threads_changes_no_byte(apart, sketched, tmp_path):
    with threadpool_limits(2):
        fitted(apart, max_cells=300).save(tmp_path / "two")
    sketched.save(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_saved_model_keeps_the_decision(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = ScSiameseClu.load(tmp_path / "model")
    assert loaded.batch_judgement_ == model.batch_judgement_
    assert loaded.batch_agreement_ == model.batch_agreement_
    assert np.array_equal(loaded.uncorrected_labels_, model.uncorrected_labels_)


@pytest.mark.parametrize("n_batches", [2, 5, 12])
def test_batches_that_do_not_differ_are_left_alone(n_batches):
    cells = in_batches([[100, 80, 60]], effect=0)
    alone = fitted(cells)
    assert alone.batch_judgement_ is None
    cells.obs["batch"] = np.sort(
        np.random.default_rng(1).integers(n_batches, size=cells.n_obs)
    ).astype(str)
    split = fitted(cells)
    assert not split.batch_judgement_.corrected
    assert "mix" in split.batch_judgement_.reason
    assert (split.labels_ == alone.labels_).all()


@pytest.mark.parametrize("effect", [0, 0.8])
def test_batches_without_a_common_type_are_left_alone(effect):
    cells = in_batches([[90, 70, 0, 0], [0, 0, 80, 60]], effect=effect)
    found = fitted(cells)
    assert not found.batch_judgement_.corrected
    assert right(cells, found.labels_) == 1
    always = fitted(cells, batch_correction="always")
    assert always.batch_judgement_.corrected
    assert "asked for" in always.batch_judgement_.reason


def test_batches_that_are_the_conditions_are_refused_by_auto_only(apart):
    two = apart[apart.obs["batch"] != "b2"].copy()
    two.obs["treatment"] = two.obs["batch"].map({"b0": "none", "b1": "drug"})
    found = fitted(two, condition_key="treatment")
    assert not found.batch_judgement_.corrected
    assert "condition" in found.batch_judgement_.reason
    assert fitted(
        two, condition_key="treatment", batch_correction="always"
    ).batch_judgement_.corrected
    # Several batches of a condition distinguish the two.
    apart.obs["treatment"] = apart.obs["batch"].map({"b0": "none", "b1": "drug", "b2": "drug"})
    assert fitted(apart, condition_key="treatment").batch_judgement_.corrected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_key": "run"}, "no column 'run'"),
        ({"condition_key": "run"}, "no column 'run'"),
        ({"batch_key": "gaps"}, "1 cells have no value"),
        ({"batch_correction": "yes"}, "batch_correction is 'yes'"),
    ],
)
def test_invalid_options_are_rejected(options, message):
    cells = in_batches([[20, 20], [20, 20]], effect=0.5)
    cells.obs["gaps"] = pd.Series(["a"] * 79 + [None], index=cells.obs_names, dtype=object)
    with pytest.raises(InputError, match=message):
        fitted(cells, **options)


@pytest.mark.parametrize("sizes", [[59, 1], [30, 30], [2, 1], [20, 20, 20]])
def test_correction_of_few_and_equal_cells(sizes):
    batches = np.repeat(np.arange(len(sizes)), sizes)
    points = np.random.default_rng(0).normal(size=(sum(sizes), 5)).astype(np.float32)
    assert np.isfinite(corrected(points, batches)).all()
    assert np.array_equal(corrected(np.zeros_like(points), batches), np.zeros_like(points))


def test_mixing_is_one_for_random_batches_and_zero_for_separate_ones():
    rng = np.random.default_rng(0)
    labels, batches = np.repeat([0, 1], 200), rng.integers(2, size=400)
    graph = rng.random((400, 400)) < 0.05
    assert mixing(csr_matrix(graph), labels, batches) == pytest.approx(1, abs=0.05)
    assert mixing(csr_matrix(graph & (batches[:, None] == batches)), labels, batches) == 0
    assert mixing(csr_matrix(graph), batches, batches) is None


def test_agreement_is_one_for_the_same_types_and_low_for_others():
    cells = in_batches([[60, 60, 60, 60], [60, 60, 60, 60]], effect=0.5)
    types, batches = (
        cells.obs["label"].to_numpy(),
        (cells.obs["batch"] == "b1").to_numpy().astype(int),
    )
    found = agreement(cells.X, types, batches)
    assert found.validity > 0.9
    assert found.shared > 0.8
    assert list(found.clusters) == [0, 1, 2, 3]
    mistaken = np.where(batches == 1, (types + 1) % 4, types)
    assert agreement(cells.X, mistaken, batches).validity < 0.3
    verdict = judged(csr_matrix((480, 480)), cells.X, mistaken, batches)
    assert not verdict.corrected
    assert agreement(cells.X, np.zeros(480, dtype=int), batches) == Agreement(None, None, {})


def agreement_of_all(counts, labels, batches):
    """Return the agreement by definition: sums of all clusters, in each half of every batch."""
    k, b = labels.max() + 1, batches.max() + 1
    sums, sizes = np.zeros((b, 2, k, counts.shape[1])), np.zeros((b, k), dtype=int)
    for row, label, batch in zip(counts.toarray(), labels, batches, strict=True):
        sums[batch, sizes[batch, label] % 2, label] += row
        sizes[batch, label] += 1
    profiles = np.log1p(sums * (1e4 / np.maximum(sums.sum(axis=-1, keepdims=True), 1)))
    means, products, differences = [], np.zeros((k, 3)), np.zeros(2)
    for first, second in combinations(range(b), 2):
        common = np.flatnonzero(sizes[[first, second]].min(axis=0) >= 10)
        held = sizes[[first, second]][:, common].sum(axis=1) / sizes[[first, second]].sum(axis=1)
        if common.size >= 2 and held.min() >= 0.5:
            one, other = profiles[first][:, common], profiles[second][:, common]
            found = guard._products(one, other)
            means.append(guard._correlation(found.sum(axis=0)))
            products[common] += found
            differences += guard._differences(one - other)
    clusters = {c: guard._correlation(products[c]) for c in range(k) if products[c].any()}
    return Agreement(np.mean(means), np.clip(differences[0] / differences[1], 0, 1), clusters)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_that_of_all_sums(seed):
    """Clusters of few cells, and of none in some batches, among large ones."""
    sizes = [[60, 40, 9, 0, 30], [50, 12, 30, 5, 0], [40, 35, 10, 25, 3], [4, 5, 0, 6, 2]]
    cells = in_batches(sizes, effect=0.5, seed=seed)
    types = cells.obs["label"].to_numpy()
    batches = cells.obs["batch"].str[1:].to_numpy().astype(int)
    assert agreement(cells.X, types, batches) == agreement_of_all(cells.X, types, batches)


def test_many_batches_of_few_cells_take_little_memory():
    """All sums of 200 batches in 20 clusters would be 128 MB."""
    rng = np.random.default_rng(0)
    labels, batches = rng.integers(20, size=4000), np.arange(4000) % 200
    for batch in (0, 1):
        labels[batches == batch] = np.arange(20) % 2
    counts = random_sparse(4000, 2000, density=0.01, format="csr", rng=rng)
    tracemalloc.start()
    found = agreement(counts, labels, batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
    assert list(found.clusters) == [0, 1]


def test_confused_similar_types_are_distinguished_from_batches():
    """Two subtypes per type, one in each batch: no effect is common to the clusters."""
    rng = np.random.default_rng(0)
    types = np.tile(np.repeat(np.arange(4), 40), 2)
    batches = np.repeat([0, 1], 160)
    logs = rng.normal(0, 1.5, size=(4, N_GENES))[types]
    logs += rng.normal(0, 0.5, size=(2, 4, N_GENES))[batches, types]
    counts = csr_matrix(rng.poisson(3 * np.exp(logs)).astype(np.int32))
    found = agreement(counts, types, batches)
    assert found.validity > 0.7
    assert found.shared < 0.2
    verdict = judged(
        csr_matrix(np.eye(320, k=1) * (batches == np.roll(batches, -1))), counts, types, batches
    )
    assert not verdict.corrected
    assert "other genes in each cluster" in verdict.reason


@pytest.fixture
def expression(apart, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = normalize(apart)
    result.obs.insert(0, "sample", result.obs["batch"].astype(str))
    rows = [{"sample": name, "extra": {"treatment": name}} for name in ("b0", "b1", "b2")]
    set_settings(result, {"n_clusters": "auto", "samples": rows})
    result.write_h5ad(tmp_path / "expression.h5ad")
    return tmp_path / "expression.h5ad"


def test_the_step_reports_the_decision(expression):
    cluster(
        prefix="G", expression=expression, method="consensus", device="cpu", stability_resamples=1
    )
    summary = read_json("G.clustering.json")
    record = summary["batch_correction"]
    assert record["requested"] == "auto"
    assert record["corrected"]
    assert record["n_batches"] == 3
    assert record["need"] < 0.9
    assert record["validity"] > 0.7
    assert set(record["cluster_agreement"]) == {"0", "1", "2"}
    assert any("3 batches were corrected" in note for note in summary["notes"])
    assert summary["stability_ari"] > 0.9
    result = ad.read_h5ad("G.clustering.h5ad")
    assert "cluster_uncorrected" in result.obs
    assert "X_pca_corrected" in result.obsm


def test_the_step_does_not_correct_if_samples_are_conditions(expression):
    cluster(
        prefix="G",
        expression=expression,
        method="consensus",
        condition="treatment",
        stability_resamples=0,
    )
    summary = read_json("G.clustering.json")
    assert not summary["batch_correction"]["corrected"]
    assert any(
        "were not corrected: each condition is one batch" in note for note in summary["notes"]
    )
    assert "cluster_uncorrected" not in ad.read_h5ad("G.clustering.h5ad").obs


def test_uncorrected_clusters_are_the_last_column_of_the_table():
    columns = (
        "sample",
        "cluster",
        "cell_type",
        "cluster_coarse",
        "cluster_fine",
        "cluster_uncorrected",
    )
    cells = ad.AnnData(obs=pd.DataFrame({name: ["a", "b"] for name in columns}, index=["c1", "c2"]))
    cells.obs["cluster_confidence"] = [0.5, 1.0]
    assert list(cluster_table(cells))[-1] == "cluster_uncorrected"
    del cells.obs["cluster_uncorrected"]
    assert "cluster_uncorrected" not in cluster_table(cells)
