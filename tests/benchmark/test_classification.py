"""Types told from an embedding: what the classifier learns, what counts as wrong, and that results are kept."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu.benchmark import classification
from scsiameseclu.benchmark.classification import COLUMNS, benchmark_classification, scores
from scsiameseclu.benchmark.results import read_results


def test_types_apart_are_told_and_noise_is_not():
    rng = np.random.default_rng(0)
    truth = np.repeat(["a", "b"], 100)
    apart = np.where(truth == "a", 0.0, 9.0)[:, None] + rng.normal(0, 0.1, (200, 2))
    assert scores(apart, truth) == {"accuracy": 1.0, "macro_f1": 1.0}
    assert scores(rng.normal(size=(200, 2)), truth)["accuracy"] < 0.7


def test_a_type_that_was_not_learned_is_wrong():
    truth = np.array(["a"] * 9 + ["b"])
    found = [scores(np.zeros((10, 2)), truth, seed=seed) for seed in range(8)]
    assert {score["accuracy"] for score in found} == {0.8, 1.0}
    assert min(score["macro_f1"] for score in found) == pytest.approx((8 / 9) / 2)


@pytest.mark.slow
def test_the_command_measures_once_and_fills_its_section(folder, tmp_path, monkeypatch):
    asked = []

    def classified(adata, gold, *, seed):
        asked.append(seed)
        return {"scsiameseclu": {"accuracy": 0.9, "macro_f1": 0.8}, "pca": {"accuracy": 0.85, "macro_f1": 0.7}}

    monkeypatch.setattr(classification, "classified", classified)
    for _ in range(2):
        benchmark_classification(data=folder, output=tmp_path / "bench")
    assert asked == [0, 0]
    assert len(read_results(tmp_path / "bench" / "classification.tsv", COLUMNS)) == 2 * 2
    text = (tmp_path / "bench.md").read_text()
    assert "| macro F1 | 80.0 | 70.0 | +10.0 (+10.0 to +10.0) | +10.0 (+10.0 to +10.0) |" in text
    assert "## Ablations" not in text
