"""Cells of simulated pools are called: hashtags, doublets, unstained cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.quality.hashtags import demultiplex

from tests.data.make_multimodal import stained


def pool(
    shares: list[float], *, n: int = 1000, low: float = 5.0, fold: float = 30.0, unused: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return counts and the calls that are right, one cell in ten unstained, one in ten double."""
    rng = np.random.default_rng(0)
    names = [f"<b>{place}" for place in range(len(shares) + unused)]
    first, second = rng.choice(len(shares), (2, n), p=shares)
    state = rng.choice(["Negative", "Doublet", ""], n, p=[0.1, 0.1, 0.8])
    own = np.eye(len(names))[first] * (state != "Negative")[:, None]
    own += np.eye(len(names))[second] * (state == "Doublet")[:, None]
    single = np.array(names)[first]
    truth = np.where((state == "") | ((state == "Doublet") & (first == second)), single, state)
    table = pd.DataFrame(stained(own, low, low * fold, rng), columns=names)
    return table.set_axis([f"c{place}" for place in range(n)]), truth


@pytest.mark.parametrize(
    ("shares", "settings"),
    [
        ([0.5, 0.5], {}),
        ([0.25] * 4, {"fold": 20.0}),
        ([0.7, 0.2, 0.06, 0.04], {"n": 2000}),
        ([1 / 12] * 12, {"low": 20.0}),
        ([0.5, 0.5], {"n": 120, "low": 1.0, "fold": 100.0}),
    ],
)
def test_cells_of_pools(shares: list[float], settings: dict[str, float]) -> None:
    counts, truth = pool(shares, **settings)  # type: ignore[arg-type]
    found, doubt = demultiplex(counts)
    assert found
    assert doubt == ""
    right = found.calls.to_numpy() == truth
    for call in ("Negative", "Doublet"):
        assert right[truth == call].mean() > 0.85
    assert right[~np.isin(truth, ["Negative", "Doublet"])].mean() > 0.9
    assert found.probability.between(1 / 3, 1).all()


def test_unused_hashtags_get_no_cells_and_are_named() -> None:
    counts, truth = pool([0.5, 0.5], unused=2)
    found, doubt = demultiplex(counts)
    assert found
    assert set(found.calls) == {"<b>0", "<b>1", "Doublet", "Negative"}
    assert (found.calls.to_numpy() == truth).mean() > 0.95
    assert "'<b>2', '<b>3'" in doubt


def test_order_of_cells_does_not_matter() -> None:
    counts, _ = pool([0.5, 0.3, 0.2])
    shuffled = counts.sample(frac=1, random_state=1)
    first, second = demultiplex(counts)[0], demultiplex(shuffled)[0]
    assert first and second
    assert first.calls.equals(second.calls.reindex(counts.index))


@pytest.mark.parametrize("n", [1, 4])
def test_few_cells_are_not_called(n: int) -> None:
    found, doubt = demultiplex(pool([0.5, 0.5])[0].head(n))
    assert found is None
    assert "were not assigned to hashtags" in doubt
