"""Training on simulated cells: switches, determinism, marginals, sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.consensus.neighbors import shared_neighbor_graph
from scsiameseclu.clustering.network.augment import graph_views
from scsiameseclu.clustering.network.train import (
    TERMS,
    Components,
    Trained,
    Training,
    TrainingData,
    _NeighborSampler,
    _Trainer,
    reproducible,
    train,
)
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import SIZES, simulated, with_components

SHORT = Training(warmup_steps=3, clustering_steps=3, batch_size=64, n_genes=40)
SIAMESE = ("crr", "lrr", "pr", "rec")


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.asarray(simulated().obs["label"].astype("category").cat.codes, dtype=np.int64)


@pytest.fixture(scope="module")
def data(truth) -> TrainingData:
    """Return training data whose consensus is wrong in one cell of ten."""
    adata = with_components(simulated())
    scores = adata.obsm["X_pca"] / adata.obsm["X_pca"].std(0).mean()
    graph = shared_neighbor_graph(scores)
    rng = np.random.default_rng(0)
    partitions = np.column_stack(
        [np.where(rng.random(len(truth)) < 0.1, rng.integers(0, 3, len(truth)), truth)] * 4
    )
    counts = csr_matrix(adata.X).astype(np.float32)
    depth = np.asarray(counts.sum(1)).ravel()
    return TrainingData(
        scores=scores,
        graph_views=graph_views(graph, scores),
        graph=graph,
        counts=counts,
        size_factors=(depth / depth.mean()).astype(np.float32),
        labels=partitions[:, 0].astype(np.int64),
        partitions=partitions.astype(np.int32),
    )


def run(
    data: TrainingData, *, training: Training = SHORT, random_state: int = 0, **switches: object
) -> Trained:
    return train(
        data, components=Components(**switches), training=training, random_state=random_state
    )


def assert_same(a: Trained, b: Trained) -> None:
    assert a.embedding.tobytes() == b.embedding.tobytes()
    assert a.soft_assignments.tobytes() == b.soft_assignments.tobytes()
    assert a.history.equals(b.history)


def test_result_has_the_promised_shapes(data):
    result = run(data)
    n, d = data.scores.shape
    assert result.embedding.shape == (n, d)
    assert result.embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result.embedding, axis=1), 1, atol=1e-5)
    assert result.soft_assignments.shape == (n, 3)
    np.testing.assert_allclose(result.soft_assignments.sum(1), 1, atol=1e-5)
    assert result.assignment.centroids.shape == (3, d)
    assert list(result.history["step"]) == [1, 2, 3, 4, 5, 6]
    assert list(result.history["phase"]) == ["warmup"] * 3 + ["clustering"] * 3


def test_transport_comes_in_after_the_warm_up(data):
    history = run(data).history
    assert history["otc"].isna().tolist() == [True] * 3 + [False] * 3
    assert history[[term for term in TERMS if term != "otc"]].notna().all().all()


def test_total_is_the_weighted_sum_of_the_terms(data):
    history = run(data).history
    weights = [getattr(SHORT, term) for term in TERMS]
    expected = history[list(TERMS)].fillna(0) @ weights
    np.testing.assert_allclose(history["total"], expected, rtol=1e-4)


@pytest.mark.parametrize("term", TERMS)
def test_each_switch_removes_its_term_and_no_other(data, term):
    history = run(data, **{term: False}).history.iloc[-1]
    assert [name for name in TERMS if np.isnan(history[name])] == [term]


def test_sfm_removes_the_four_siamese_terms(data):
    history = run(data, sfm=False).history.iloc[-1]
    assert [name for name in TERMS if np.isnan(history[name])] == list(SIAMESE)


@pytest.mark.parametrize("term", TERMS)
def test_each_term_reaches_the_network(data, term):
    alone = run(data, **{name: name == term for name in TERMS})
    start = run(data, **dict.fromkeys(TERMS, False))
    before, after = start.assignment.network.state_dict(), alone.assignment.network.state_dict()
    assert any(
        not torch.equal(before[name], after[name])
        for name in before
        if name.startswith("expression.encoder")
    )


@pytest.mark.parametrize(
    "switch",
    [{"noise": False}, {"cell_target": "identity"}, {"sizes": "equal"}],
    ids=["noise", "cell_target", "sizes"],
)
def test_each_other_switch_changes_the_training(data, switch):
    assert run(data, **switch).embedding.tobytes() != run(data).embedding.tobytes()


def test_without_noise_the_views_of_the_expression_are_the_same(data):
    trainer = _Trainer(data, Components(noise=False), SHORT, 0, torch.device("cpu"))
    assert trainer.noisy(trainer.scores) is trainer.scores


def test_without_any_term_the_network_stays_as_it_was(data):
    idle = run(data, **dict.fromkeys(TERMS, False))
    encoder = idle.assignment.network.expression.encoder.output
    assert float(encoder.weight.detach().abs().max()) == 0


def test_the_targets_of_the_transport_have_the_estimated_sizes(data):
    trainer = _Trainer(data, Components(), replace(SHORT, batch_size=160), 0, torch.device("cpu"))
    torch.testing.assert_close(trainer.sizes, torch.bincount(trainer.labels).float() / 160)


def test_the_assignment_keeps_the_sizes_that_it_was_given(data):
    estimated, equal = (
        run(data, sizes=sizes).soft_assignments.mean(0) for sizes in ("estimated", "equal")
    )
    np.testing.assert_allclose(estimated, np.bincount(data.labels) / 160, atol=0.01)
    np.testing.assert_allclose(equal, 1 / 3, atol=0.01)


def test_two_trainings_give_the_same_bytes_whatever_the_global_state(data):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = run(data)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    state = torch.get_rng_state()
    assert_same(first, run(data))
    assert torch.equal(state, torch.get_rng_state())


def test_the_number_of_threads_changes_nothing(data):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = run(data)
        torch.set_num_threads(2)
        two = run(data)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert_same(one, two)


def test_another_seed_gives_another_training(data):
    assert run(data).embedding.tobytes() != run(data, random_state=1).embedding.tobytes()


def test_torch_settings_are_restored_even_after_an_error():
    before = torch.are_deterministic_algorithms_enabled()
    with pytest.raises(ZeroDivisionError), reproducible("cpu"):
        assert torch.are_deterministic_algorithms_enabled()
        _ = 1 / 0
    assert torch.are_deterministic_algorithms_enabled() == before


def test_training_mends_errors_of_the_consensus(data, truth):
    result = run(data, training=Training(warmup_steps=40, clustering_steps=40, n_genes=60))
    labels = result.soft_assignments.argmax(1)
    assert adjusted_rand_score(truth, labels) > adjusted_rand_score(truth, data.labels) + 0.05
    assert sorted(np.bincount(labels)) == pytest.approx(sorted(SIZES), abs=8)


def test_losses_fall(data):
    history = run(data, training=Training(warmup_steps=60, clustering_steps=0, n_genes=60)).history
    for term in ("crr", "zinb", "total"):
        assert history[term].tail(5).mean() < history[term].head(5).mean(), term


def test_batches_cover_all_cells_before_any_is_repeated(data):
    trainer = _Trainer(data, Components(), replace(SHORT, batch_size=40), 0, torch.device("cpu"))
    cells = torch.cat([trainer.next_batch() for _ in range(4)])
    assert sorted(cells.tolist()) == list(range(160))


def test_neighbors_are_drawn_in_proportion_to_their_weights():
    graph = csr_matrix(
        np.array([[0, 1, 3, 0], [1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    )
    generator = torch.Generator().manual_seed(0)
    drawn = _NeighborSampler(graph).sample(torch.tensor([0, 1, 3]), 4000, generator).numpy()
    assert set(drawn[0]) == {1, 2}
    assert np.mean(drawn[0] == 2) == pytest.approx(0.75, abs=0.02)
    assert set(drawn[1]) == {0}
    assert set(drawn[2]) == {3}  # without neighbours a cell is its own


def test_neighbors_in_a_graph_without_edges():
    sampler = _NeighborSampler(csr_matrix((3, 3), dtype=np.float32))
    drawn = sampler.sample(torch.tensor([2, 0]), 2, torch.Generator().manual_seed(0))
    assert drawn.tolist() == [[2, 2], [0, 0]]


def test_progress_is_reported_after_each_step(data):
    reported: list[tuple[int, int]] = []
    train(
        data,
        components=Components(),
        training=SHORT,
        progress=lambda done, total: reported.append((done, total)),
    )
    assert reported == [(step, 6) for step in range(1, 7)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_almost_the_same_clusters(data):
    training = Training(warmup_steps=40, clustering_steps=40, n_genes=60)
    cpu, gpu = (
        train(data, components=Components(), training=training, device=d) for d in ("cpu", "cuda")
    )
    labels = [result.soft_assignments.argmax(1) for result in (cpu, gpu)]
    assert adjusted_rand_score(*labels) > 0.95
