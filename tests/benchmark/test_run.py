"""Runs: each fit once, results kept at once, interrupted runs resumed, failures recorded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scsiameseclu.benchmark import process, run
from scsiameseclu.benchmark.baselines import BASELINES, Scvi, is_installed
from scsiameseclu.benchmark.datasets import labelled_datasets
from scsiameseclu.benchmark.methods import ABLATIONS, COMPARED, METHODS, SCANPY
from scsiameseclu.benchmark.results import COLUMNS, read_results
from scsiameseclu.benchmark.run import Job, benchmark, chosen_methods, measure
from scsiameseclu.errors import InputError

pytestmark = pytest.mark.slow

INSTALLED = [method for method in BASELINES if is_installed(method)]
N_FITS = sum(len(method.modes) for method in (*COMPARED, SCANPY, *INSTALLED))


@pytest.fixture
def fits(monkeypatch):
    """Replace the processes: every fit splits the cells in two; the list has the requests."""
    asked = []

    def fit(jobs, *, scratch, threads):
        for job in jobs:
            asked.append((job.dataset.name, job.method.name, job.k_mode, job.seed))
            labels = (np.arange(job.dataset.n_cells) % 2).tolist()
            yield {"labels": labels, "trained": None, "seconds": 1.234, "peak_rss_mb": 300.4}

    monkeypatch.setattr(run, "run_fits", fit)
    return asked


def test_fits_in_a_process_of_their_own(folder, tmp_path):
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    table = tmp_path / "results.tsv"
    jobs = [Job(dataset, METHODS["kmeans"], "true", seed) for seed in (0, 1)]
    assert not measure(jobs, table, scratch=tmp_path)
    found = read_results(table)
    assert tuple(found) == COLUMNS
    row = found.iloc[1]
    assert (row["dataset"], row["cells"], row["types"], row["n_clusters"]) == (
        "labelled.h5ad",
        159,
        3,
        3,
    )
    assert row["ari"] > 0.9
    assert 50 < row["peak_rss_mb"] < 2000
    assert (row["data"], row["seed"]) == (dataset.digest, 1)
    assert "scikit-learn" in row["versions"]
    assert "torch" not in row["versions"]


def test_a_process_that_dies_is_recorded_and_repeated_and_the_next_continues(
    folder, tmp_path, monkeypatch, capsys
):
    broken_python = tmp_path / "python"
    broken_python.write_text(
        "#!/bin/sh\necho ERROR: a defect >&2; echo its line > traceback.txt; exit 70\n"
    )
    broken_python.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(broken_python))
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    table = tmp_path / "results.tsv"
    jobs = [Job(dataset, METHODS["kmeans"], "true", seed) for seed in (0, 1)]
    assert measure(jobs, table, scratch=tmp_path) == 2
    assert "exit status 70\nERROR: a defect\nits line" in capsys.readouterr().err
    assert read_results(table)["error"].tolist() == ["its line"] * 2
    monkeypatch.undo()
    assert measure(jobs, table, scratch=tmp_path) == 0
    assert read_results(table)["error"].isna().all()


def test_an_exception_is_recorded_and_the_process_continues(folder, tmp_path):
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    table = tmp_path / "results.tsv"
    # K-means finds no number.
    jobs = [Job(dataset, METHODS["kmeans"], k_mode, 0) for k_mode in ("auto", "true")]
    assert measure(jobs, table, scratch=tmp_path) == 1
    found = read_results(table).set_index("k_mode")
    assert found.loc["auto", "error"].startswith("ValueError: invalid literal for int()")
    assert found.loc["true", "ari"] > 0.9


def test_the_command_measures_everything_once(folder, tmp_path, fits):
    output = tmp_path / "docs" / "bench"
    benchmark(data=folder, output=output, seeds=2)
    assert len(fits) == len(set(fits)) == 2 * 2 * N_FITS
    written = (output / "results.tsv").read_bytes()
    page = (tmp_path / "docs" / "bench.md").read_bytes()
    benchmark(data=folder, output=output, seeds=2)
    assert len(fits) == 2 * 2 * N_FITS
    assert (output / "results.tsv").read_bytes() == written
    assert (tmp_path / "docs" / "bench.md").read_bytes() == page
    assert str(tmp_path).encode() not in page + written
    assert {path.name for path in output.glob("*.png")} == {
        "ranks.png",
        "difference.png",
        "ari.png",
        "cost.png",
    }


def test_an_interrupted_run_continues(folder, tmp_path, fits, monkeypatch):
    only = {"data": folder, "output": tmp_path / "bench", "seeds": 1, "only": ["labelled.h5ad"]}
    whole = run.run_fits

    def interrupted(jobs, **options):
        for found in whole(jobs, **options):
            if len(fits) == 4:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(run, "run_fits", interrupted)
    with pytest.raises(KeyboardInterrupt):
        benchmark(**only)
    table = tmp_path / "bench" / "results.tsv"
    table.write_bytes(table.read_bytes()[:-200])  # the third was being written
    monkeypatch.setattr(run, "run_fits", whole)
    benchmark(**only)
    assert len(fits) == N_FITS + 2
    assert fits[2:4] == fits[4:6]
    assert len(read_results(table)) == N_FITS


def test_only_rows_with_changed_code_or_data_are_measured_again(
    folder, tmp_path, fits, monkeypatch
):
    only = {"data": folder, "output": tmp_path / "bench", "seeds": 1, "only": ["labelled.h5ad"]}
    benchmark(**only)
    code_of = run._code
    other = SimpleNamespace(digest="another", versions="python 3")
    monkeypatch.setattr(run, "_code", lambda name: other if name == "leiden" else code_of(name))
    benchmark(**only)
    assert [method for _, method, _, _ in fits[N_FITS:]] == ["leiden", "leiden"]
    table = read_results(tmp_path / "bench" / "results.tsv")
    assert table.loc[table["method"] == "leiden", "code"].tolist() == ["another"] * 2
    assert len(table) == N_FITS
    monkeypatch.setattr(
        run,
        "labelled_datasets",
        lambda *a, **b: [replace(labelled_datasets(*a, **b)[0], digest="x")],
    )
    benchmark(**only)
    assert len(fits) == 2 * N_FITS + 2


def test_a_further_baseline_leaves_the_rows_of_the_others(folder, tmp_path, fits, monkeypatch):
    only = {"data": folder, "output": tmp_path / "bench", "seeds": 1, "only": ["labelled.h5ad"]}
    benchmark(**only)
    seventh = run.OURS.__class__("seventh", "A seventh")
    monkeypatch.setattr(run, "COMPARED", (*COMPARED, seventh))
    monkeypatch.setitem(run.METHODS, "seventh", seventh)
    benchmark(**only)
    assert {method for _, method, _, _ in fits[N_FITS:]} == {"seventh"}


def test_ablations_are_run_with_the_full_method(folder, tmp_path, fits):
    benchmark(data=folder, output=tmp_path / "bench", seeds=1, ablate=True, only=["labelled.h5ad"])
    assert len(fits) == len(ABLATIONS) + 2
    assert {k_mode for _, _, k_mode, _ in fits} == {"true"}
    page = (tmp_path / "bench.md").read_text()
    assert all(f"| {method.title} |" in page for method in ABLATIONS)


def test_a_sketch_is_made_of_large_sets_only(folder, tmp_path, fits, monkeypatch):
    benchmark(data=folder, output=tmp_path / "bench", seeds=1, sketch=True, only=["labelled.h5ad"])
    assert not fits
    monkeypatch.setattr(run, "WORTH_A_SKETCH", 10)
    benchmark(data=folder, output=tmp_path / "bench", seeds=1, sketch=True, only=["labelled.h5ad"])
    assert {(method, k_mode) for _, method, k_mode, _ in fits} == {
        (method, k_mode) for method in ("scsiameseclu", "sketch") for k_mode in ("true", "auto")
    }
    assert "### A sketch of the cells" in (tmp_path / "bench.md").read_text()


def test_scaling_needs_no_data(tmp_path, fits):
    benchmark(output=tmp_path / "bench", scaling=[200, 100])
    assert read_results(tmp_path / "bench" / "scaling.tsv")["cells"].unique().tolist() == [100, 200]
    assert (tmp_path / "bench" / "scaling.png").exists()
    assert "| 100 | scSiameseClu | 1.2 | 12.30 | 300 |" in (tmp_path / "bench.md").read_text()


def test_wrong_options_are_reported(tmp_path):
    for options, message in (
        ({"data": tmp_path, "seeds": 0}, "must be at least 1"),
        ({"scaling": [5]}, "fewer than 100 cells"),
        ({}, "no data sets"),
    ):
        with pytest.raises(InputError, match=message):
            benchmark(**options)


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "results.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="columns of the results table"):
        read_results(tmp_path / "results.tsv")


def test_methods_are_chosen_by_name():
    assert [method.name for method in chosen_methods(["scdsc", "leiden"])] == ["leiden", "scdsc"]
    assert {method.name for method in (*COMPARED, *INSTALLED)} < {
        method.name for method in chosen_methods(None)
    }
    with pytest.raises(InputError, match="there is no method 'sc4'"):
        chosen_methods(["sc4"])


def test_a_method_without_its_library_is_left_out(monkeypatch):
    monkeypatch.setattr(Scvi, "library", "surely_not_installed")
    assert "scvi" not in {method.name for method in chosen_methods(None)}
    with pytest.raises(InputError, match=r"the library of scVI \+ Leiden is not installed"):
        chosen_methods(["leiden", "scvi"])
