"""The benchmark over a run's own groups."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import run
from scsiameseclu.benchmark.baselines import BASELINES, is_installed
from scsiameseclu.benchmark.compare import compare_methods
from scsiameseclu.benchmark.datasets import labelled_datasets
from scsiameseclu.benchmark.page import WANTED, benchmark_page
from scsiameseclu.benchmark.results import read_results
from scsiameseclu.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture
def group(folder, tmp_path, monkeypatch):
    """Return a group's expression and labels, in the folder that the step runs in."""
    monkeypatch.chdir(tmp_path)
    dataset = labelled_datasets(folder, scratch=tmp_path)[0]
    barcodes = [str(name) for name in dataset.gold.index]
    labels = tmp_path / "one.labels.tsv"
    pd.DataFrame({"barcode": barcodes, "label": dataset.gold.to_numpy()}).to_csv(
        labels, sep="\t", index=False
    )
    adata = ad.read_h5ad(dataset.expression)
    adata.obs_names = [f"one_{name}" for name in adata.obs_names]
    adata.write_h5ad(dataset.expression)
    return dataset, labels


@pytest.fixture
def fits(monkeypatch):
    """Stand in for the fits: every cell in one of two clusters."""

    def fit(jobs, **_options):
        for job in jobs:
            labels = (np.arange(job.dataset.n_cells) % 2).tolist()
            yield {"labels": labels, "seconds": 1.0, "peak_rss_mb": 100.0, "trained": None}

    monkeypatch.setattr(run, "run_fits", fit)


def test_every_method_meets_the_labels_of_the_cells_that_are_left(group, fits, tmp_path):
    dataset, labels = group
    compare_methods(prefix="blood", expression=dataset.expression, labels=[labels], seed=3)
    table = read_results(tmp_path / "blood.3.results.tsv")
    assert set(zip(table["method"], table["k_mode"], strict=True)) == {*WANTED, ("scanpy", "auto")}
    assert set(table["dataset"]) == {"blood"}
    assert set(table["seed"]) == {3}
    assert set(table["types"]) == {dataset.n_types}
    assert table["ari"].notna().all()


def test_further_methods_are_compared_on_request(group, fits, tmp_path):
    dataset, labels = group
    compare_methods(
        prefix="blood", expression=dataset.expression, labels=[labels], methods=["dec", "scgnn"]
    )
    table = read_results(tmp_path / "blood.0.results.tsv")
    assert set(table["method"]) - {name for name, _ in WANTED} == {"scanpy", "dec", "scgnn"}
    compare_methods(prefix="all", expression=dataset.expression, labels=[labels], methods=["all"])
    assert {method.name for method in BASELINES if is_installed(method)} <= set(
        read_results(tmp_path / "all.0.results.tsv")["method"]
    )


def test_a_group_without_labels_is_an_input_error(group, fits, tmp_path):
    dataset, _ = group
    other = tmp_path / "other.labels.tsv"
    other.write_text("barcode\tlabel\nnobody\tB\n")
    with pytest.raises(InputError, match="No cell that passed quality control has a label"):
        compare_methods(prefix="blood", expression=dataset.expression, labels=[other])


def test_a_failed_fit_is_reported(group, tmp_path, monkeypatch):
    dataset, labels = group
    monkeypatch.setattr(run, "run_fits", lambda jobs, **_options: ({"error": "lost"} for _ in jobs))
    with pytest.raises(InputError, match="9 fits of the benchmark failed"):
        compare_methods(prefix="blood", expression=dataset.expression, labels=[labels])
    assert set(read_results(tmp_path / "blood.0.results.tsv")["error"]) == {"lost"}


def test_the_page_holds_all_groups_and_seeds(group, fits, tmp_path):
    dataset, labels = group
    for prefix in ("blood", "skin"):
        for seed in (0, 1):
            compare_methods(
                prefix=prefix, expression=dataset.expression, labels=[labels], seed=seed
            )
    benchmark_page(results=sorted(tmp_path.glob("*.results.tsv")))
    assert len(read_results(tmp_path / "benchmarks" / "results.tsv")) == 4 * (len(WANTED) + 1)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| blood |" in page
    assert "| skin |" in page
    assert (tmp_path / "benchmarks" / "difference.png").stat().st_size > 0
