"""The benchmark of many samples: its sheet, its measurements, and its part of the page."""

from __future__ import annotations

import os
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import batch as module
from scsiameseclu.benchmark.batch import benchmark_batch, resident_mb, write_sheet
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table

pytestmark = pytest.mark.slow

NEXTFLOW = """#!/bin/sh
[ -z "$OMP_NUM_THREADS$NUMBA_NUM_THREADS" ] || exit 1
mkdir -p results/pipeline_info results/samples/a results/samples/b results/groups/a
printf 'barcode\\tcluster\\nx\\t0\\ny\\t1\\n' > results/groups/a/clusters.tsv
tr ' ' '\\t' > results/pipeline_info/trace_batch.tsv <<END
name status realtime cpus %cpu peak_rss
one COMPLETED 100 2 150.0 3145728
two COMPLETED 200 1 50.0 1048576
END
sleep 1
"""


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """Put a script in Nextflow's place that leaves results; return its path.

    The cores of this process stay.
    """
    (tmp_path / "nextflow").write_text(NEXTFLOW)
    (tmp_path / "nextflow").chmod(0o755)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module.os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(module, "INTERVAL", 0.05)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "nextflow"


@pytest.mark.parametrize("groups", ["each", "one"])
def test_copies_are_like_their_samples_but_not_the_same(tmp_path, groups):
    write_sheet(tmp_path / "sheet.csv", samples=4, groups=groups)
    sheet = pd.read_csv(tmp_path / "sheet.csv", keep_default_na=False)
    assert list(sheet["sample"]) == ["blood_1_0", "blood_2_1", "pancreas_2", "blood_1_3"]
    assert sheet["group"].nunique() == {"each": 4, "one": 1}[groups]
    assert sheet["tissue"].tolist()[2] == "pancreas" if groups == "each" else "tissue" not in sheet
    first, fourth = (ad.read_h5ad(tmp_path / sheet["counts"][place]) for place in (0, 3))
    assert first.shape == fourth.shape
    assert (first.X != fourth.X).nnz > 0
    assert first.X.sum() == pytest.approx(fourth.X.sum(), rel=0.01)
    whole, _ = module.read_sample(module.DEMO.parent / "blood_1", settings={})
    assert (first.X > whole.X).nnz == 0
    assert first.X.sum() / whole.X.sum() == pytest.approx(0.9, abs=0.005)


def test_the_command_writes_its_table_and_its_part_of_the_page(launcher, tmp_path):
    output = tmp_path / "bench"
    for _ in range(2):  # a second time replaces the first
        benchmark_batch(output=output, samples=2)
    table = read_table(output / "batch.tsv")
    assert list(table["groups"]) == ["a group each", "one group"]
    row = table.iloc[0]
    assert (row["clustered_groups"], row["cells"], row["tasks"], row["largest_task_mb"]) == (
        1,
        2,
        2,
        3,
    )
    assert (row["task_seconds"], row["cpu_seconds"]) == (0.4, 0.2)
    assert row["overhead_per_sample"] == pytest.approx((row["seconds"] - 0.4 / 2) / 2, abs=0.06)
    assert row["seconds"] >= 1
    assert 0 < row["nextflow_mb"] <= row["peak_mb"] < 1000
    text = (tmp_path / "bench.md").read_text()
    assert "| 2 samples, one group | 2 | 2 | 2 |" in text
    assert "## Markers" not in text


def test_a_failed_run_is_reported(launcher, tmp_path):
    launcher.write_text("#!/bin/sh\necho the disk is full; exit 3\n")
    with pytest.raises(InputError, match="the disk is full"):
        benchmark_batch(output=tmp_path / "bench", samples=1)
    assert not (tmp_path / "bench" / "batch.tsv").exists()


def test_an_interrupted_run_continues(launcher, tmp_path):
    whole = launcher.read_text()
    launcher.write_text("#!/bin/sh\nsleep 1; exit 143\n")
    options = {
        "output": tmp_path / "bench",
        "samples": 2,
        "groups": "one",
        "runs": tmp_path / "runs",
    }
    with pytest.raises(InputError):
        benchmark_batch(**options)
    sheet = tmp_path / "runs" / "2_one_2" / "samplesheet.csv"
    written = sheet.stat().st_mtime_ns
    launcher.write_text(whole)
    benchmark_batch(**options)
    assert sheet.stat().st_mtime_ns == written
    assert read_table(tmp_path / "bench" / "batch.tsv")["seconds"][0] > 1.8


def test_unknown_groups_are_reported(tmp_path):
    with pytest.raises(InputError, match="--groups is"):
        benchmark_batch(output=tmp_path / "bench", groups="each,pair")


def test_memory_is_that_of_all_descendants():
    hold = "import numpy, time; held = numpy.ones(2**23); print('held', flush=True); time.sleep(60)"
    shell = f'"{sys.executable}" -c "{hold}" & wait'
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout
        process.stdout.readline()
        resident = resident_mb(process.pid)
        os.killpg(process.pid, 15)
    assert len(resident) == 2
    assert 64 < sum(resident.values()) < 200
    assert np.isclose(resident_mb(os.getpid())[os.getpid()], sum(resident_mb(os.getpid()).values()))
