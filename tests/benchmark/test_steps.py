"""Every step by group size: the trace becomes a table and its part of the page."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark.sections import steps
from scsiameseclu.benchmark.steps import GENES, step_costs, write_group
from scsiameseclu.files import read_json

TRACE = """name\tstatus\trealtime\tcpus\t%cpu\tpeak_rss
A:QUALITY:QUALITY_FILTER (one)\tCOMPLETED\t2000\t1\t50.0\t1048576
A:EXPRESSION:EXPRESSION_NORMALIZE (all)\tCACHED\t4000\t1\t100.0\t5242880
A:QUALITY:QUALITY_FILTER (two (2))\tCOMPLETED\t3000\t1\t100.0\t3145728
"""


def test_tasks_of_a_process_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "trace.tsv").write_text(TRACE)
    first, second = step_costs(tmp_path / "trace.tsv")
    assert first == {
        "step": "QUALITY_FILTER",
        "tasks": 2,
        "seconds": 5.0,
        "cpu_seconds": 4.0,
        "peak_mb": 3.0,
    }
    assert (second["step"], second["tasks"], second["seconds"], second["peak_mb"]) == (
        "EXPRESSION_NORMALIZE",
        1,
        4,
        5,
    )


def test_a_group_is_of_the_size_asked_for(tmp_path: Path) -> None:
    write_group(tmp_path, 25, 10)
    sheet = pd.read_csv(tmp_path / "samplesheet.csv")
    samples = [ad.read_h5ad(tmp_path / name) for name in sheet["counts"]]
    assert [sample.n_obs for sample in samples] == [10, 10, 5]
    assert sheet["group"].unique().tolist() == ["all"]
    stored = sum(sample.X.nnz for sample in samples)
    assert read_json(tmp_path / "about.json") == {"cells": 25, "samples": 3, "values": stored}
    assert 700 < stored / 25 < 1400
    assert samples[0].n_vars == GENES == len(set(samples[0].var_names))
    assert np.unique([name for sample in samples for name in sample.obs_names]).size == 25


def test_the_page_shows_the_memory_of_the_counts() -> None:
    about = {"samples": 1, "values": 131_072_000}
    rows = [
        {
            "cells": cells,
            "step": step,
            "tasks": 1,
            "seconds": 10,
            "cpu_seconds": 9,
            "peak_mb": 700,
            **about,
        }
        for cells, step in (
            (3000, "QUALITY_FILTER"),
            (10_000, "QUALITY_FILTER"),
            (10_000, "whole run"),
        )
    ]
    text = steps(pd.DataFrame(rows))
    assert "| step | 3,000 cells, 1 sample | 10,000 cells, 1 sample |" in text
    assert "| whole run | – | 700 |" in text
    assert "| 2.5 GB plus 1.6 times the matrix | 4,160 | 4,160 |" in text


@pytest.mark.slow
def test_scanpys_path_is_timed(tmp_path: Path) -> None:
    from scsiameseclu.benchmark.steps import scanpy_costs
    from scsiameseclu.files import write_h5ad

    write_group(tmp_path, 120, 120)
    sample = ad.read_h5ad(tmp_path / "sample_0.h5ad")
    sample.layers["counts"] = sample.X
    (tmp_path / "results" / "groups" / "all").mkdir(parents=True)
    write_h5ad(sample, tmp_path / "results" / "groups" / "all" / "all.h5ad")
    rows = scanpy_costs(tmp_path)
    assert [row["step"] for row in rows][:3] == [
        "scanpy: normalize",
        "scanpy: variable genes",
        "scanpy: PCA",
    ]
    assert all(row["seconds"] >= 0 and row["peak_mb"] > 100 for row in rows)
