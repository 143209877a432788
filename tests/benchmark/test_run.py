"""Runs: each fit once, results kept as they are found, interrupted runs going on, failures told."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu.benchmark import run
from scsiameseclu.benchmark.datasets import labelled_datasets
from scsiameseclu.benchmark.methods import ABLATIONS, METHODS
from scsiameseclu.benchmark.run import COLUMNS, Job, benchmark, measure, read_results, sizes, versions
from scsiameseclu.errors import InputError


@pytest.fixture
def fits(monkeypatch):
    """Replace the processes: every fit splits the cells in two; the list has what was asked for."""
    asked = []

    def fit(job, *, scratch, threads):
        asked.append(job.key)
        labels = (np.arange(job.dataset.n_cells) % 2).tolist()
        return {"labels": labels, "trained": None, "seconds": 1.234, "peak_rss_mb": 300.4}

    monkeypatch.setattr(run, "run_fit", fit)
    return asked


def test_a_fit_in_a_process_of_its_own(folder, tmp_path):
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    table = tmp_path / "results.tsv"
    assert not measure([Job(dataset, "kmeans", "true", 0, function="kmeans")], table, scratch=tmp_path)
    row = read_results(table).iloc[0]
    assert tuple(row.index) == COLUMNS
    assert (row["dataset"], row["cells"], row["types"], row["n_clusters"]) == ("labelled.h5ad", 159, 3, 3)
    assert row["ari"] > 0.9
    assert 50 < row["peak_rss_mb"] < 2000
    assert row["versions"] == versions()


def test_a_fit_that_fails_is_told_and_tried_again(folder, tmp_path, monkeypatch, capsys):
    broken_python = tmp_path / "python"
    broken_python.write_text("#!/bin/sh\necho ERROR: a defect >&2; echo its line > traceback.txt; exit 70\n")
    broken_python.chmod(0o755)
    monkeypatch.setattr(run.sys, "executable", str(broken_python))
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    table = tmp_path / "results.tsv"
    assert measure([Job(dataset, "kmeans", "true", 0, function="kmeans")], table, scratch=tmp_path) == 1
    assert "exit status 70 of labelled.h5ad kmeans true 0\nERROR: a defect\nits line" in capsys.readouterr().err
    assert not table.exists()


def test_the_command_covers_everything_once(folder, tmp_path, fits, capsys):
    output = tmp_path / "docs" / "bench"
    benchmark(data=folder, output=output, seeds=2)
    n_modes = sum(len(method.modes) for method in METHODS.values())
    assert len(fits) == len(set(fits)) == 2 * 2 * n_modes
    assert "min left" in capsys.readouterr().err
    written = (output / "results.tsv").read_bytes()
    page = (tmp_path / "docs" / "bench.md").read_bytes()
    benchmark(data=folder, output=output, seeds=2)
    assert len(fits) == 2 * 2 * n_modes
    assert (output / "results.tsv").read_bytes() == written
    assert (tmp_path / "docs" / "bench.md").read_bytes() == page
    assert str(tmp_path).encode() not in page + written
    assert {path.name for path in output.glob("*.png")} == {
        f"{name}.png" for name in ("ari_true", "ari_auto", "clusters_auto", "cost")
    }


def test_an_interrupted_run_goes_on(folder, tmp_path, fits, monkeypatch):
    only = {"data": folder, "output": tmp_path / "bench", "seeds": 1, "only": ["labelled.h5ad"]}
    whole = run.run_fit

    def interrupted(job, **options):
        if len(fits) == 3:
            raise KeyboardInterrupt
        return whole(job, **options)

    monkeypatch.setattr(run, "run_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        benchmark(**only)
    table = tmp_path / "bench" / "results.tsv"
    table.write_bytes(table.read_bytes()[:-200])  # the third was being written
    monkeypatch.setattr(run, "run_fit", whole)
    benchmark(**only)
    assert len(fits) == 9
    assert fits[2] == fits[3]
    assert len(read_results(table)) == 8


def test_results_of_another_version_are_found_anew(folder, tmp_path, fits, monkeypatch):
    only = {"data": folder, "output": tmp_path / "bench", "seeds": 1, "only": ["labelled.h5ad"]}
    benchmark(**only)
    monkeypatch.setattr(run, "versions", lambda: "another")
    benchmark(**only)
    assert len(fits) == 16
    assert read_results(tmp_path / "bench" / "results.tsv")["versions"].unique().tolist() == ["another"]


def test_ablations_are_printed(folder, tmp_path, fits, capsys):
    benchmark(data=folder, output=tmp_path / "bench", seeds=1, ablate=True, only=["labelled.h5ad"])
    assert len(fits) == len(ABLATIONS)
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in ABLATIONS)
    assert printed in (tmp_path / "bench.md").read_text()


def test_scaling_needs_no_data(tmp_path, fits):
    benchmark(output=tmp_path / "bench", scaling="200,100")
    assert read_results(tmp_path / "bench" / "scaling.tsv")["cells"].unique().tolist() == [100, 200]
    assert (tmp_path / "bench" / "scaling.png").exists()
    assert "| 100 | scSiameseClu | 1.2 | 12.30 | 300 |" in (tmp_path / "bench.md").read_text()


def test_wrong_options_are_told(tmp_path):
    assert sizes("30000, 10000") == [10000, 30000]
    for text in ("", "a", "100,-1", "5"):
        with pytest.raises(InputError, match="no list of numbers of cells"):
            sizes(text)
    with pytest.raises(InputError, match="begin at 1"):
        benchmark(data=tmp_path, seeds=0)
    with pytest.raises(InputError, match="no data sets"):
        benchmark()


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "results.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="other columns"):
        read_results(tmp_path / "results.tsv")
