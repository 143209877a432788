"""Runs that must agree with each other: twice the same, with and without labels, and as a stub."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from .conftest import DEMO, Run, run_pipeline

pytestmark = pytest.mark.pipeline


OFFLINE = next(
    (
        command
        for command in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"])
        if shutil.which("unshare")
        and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ),
    [],
)
"""A command that runs another in a network namespace without routes, where that is permitted."""


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run the bundled data once more: without a network, and on another file system, where there are such."""
    folder = tmp_path_factory.mktemp("again")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else folder) as work:
        yield run_pipeline(folder, "-work-dir", work, profile="test,venv", within=OFFLINE)


@pytest.mark.skipif(not OFFLINE, reason="network namespaces are not permitted here")
def test_no_network_is_needed(again: Run) -> None:
    routes = subprocess.run([*OFFLINE, "cat", "/proc/net/route"], capture_output=True, text=True, check=True).stdout
    assert len(routes.splitlines()) <= 1, "a header and no route"
    assert again.status == 0, again.output


def test_a_second_run_gives_the_same_bytes(demo: Run, again: Run) -> None:
    assert again.status == 0, again.output
    for group in ["blood", "pancreas"]:
        for name in ["clusters.tsv", "markers.tsv", "annotation.tsv", "training_history.tsv", "model.safetensors"]:
            path = Path("groups") / group / name
            assert (again.results / path).read_bytes() == (demo.results / path).read_bytes(), path


def test_labels_change_nothing_but_the_scores(tmp_path: Path) -> None:
    """The same counts three times: without labels, with them, and with permuted ones."""
    shutil.copy(DEMO / "pancreas.h5ad", tmp_path / "counts.h5ad")
    labels = pd.read_csv(DEMO / "pancreas.labels.csv")
    labels.to_csv(tmp_path / "given.csv", index=False)
    shuffled = labels["label"].sample(frac=1, random_state=1).to_numpy()
    labels.assign(label=shuffled).to_csv(tmp_path / "permuted.csv", index=False)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sample,counts,tissue,labels\nabsent,counts.h5ad,pancreas,\ngiven,counts.h5ad,pancreas,given.csv\n"
                     "permuted,counts.h5ad,pancreas,permuted.csv\n")  # fmt: skip
    run = run_pipeline(tmp_path, "--input", sheet)
    assert run.status == 0, run.output
    absent, given, permuted = (run.results / "groups" / name for name in ["absent", "given", "permuted"])
    for other in [given, permuted]:
        assert (other / "markers.tsv").read_bytes() == (absent / "markers.tsv").read_bytes()
        assert (other / "annotation.tsv").read_bytes() == (absent / "annotation.tsv").read_bytes()
        ours, theirs = (ad.read_h5ad(folder / f"{folder.name}.h5ad") for folder in [absent, other])
        assert list(ours.obs["cluster"]) == list(theirs.obs["cluster"])
        np.testing.assert_array_equal(ours.obsm["X_scsiameseclu"], theirs.obsm["X_scsiameseclu"])


def test_a_stub_run_goes_through_every_step(tmp_path: Path) -> None:
    options = ["--device", "cuda", "--benchmark", "--condition", "donor"]
    options += ["--reference", DEMO / "pancreas.h5ad", "--reference_label", "type"]
    run = run_pipeline(tmp_path, "-stub", *options, profile="test,venv")
    assert run.status == 0, run.output
    ran = {task["name"].split(" ")[0].split(":")[-1] for task in run.tasks()}
    modules = {f"{path.parent.parent.name}_{path.parent.name}".upper() for path in _module_files()}
    # The verdict is for runs in which something failed, the search for samples for those without a samplesheet, the
    # placement and its check for those into an earlier result.
    elsewhere = {"REPORT_VERDICT", "INTAKE_FIND_SAMPLES", "CLUSTERING_PLACEMENT", "CLUSTERING_CHECK_BASE"}
    assert ran == modules - elsewhere


def test_a_stub_run_with_a_base_places_instead_of_clustering(tmp_path: Path) -> None:
    base = tmp_path / "$base [1].h5ad"
    base.write_bytes(b"")
    run = run_pipeline(tmp_path, "-stub", "--base", base, profile="test,venv")
    assert run.status == 0, run.output
    ran = {task["name"].split(" ")[0].split(":")[-1] for task in run.tasks()}
    assert {"CLUSTERING_CHECK_BASE", "CLUSTERING_PLACEMENT"} <= ran
    assert "CLUSTERING_SCSIAMESECLU" not in ran
    assert {"ANNOTATION_ASSEMBLE", "EVALUATION_COMPARISON", "EVALUATION_SCORES", "REPORT_MULTIQC"} <= ran


def _module_files() -> list[Path]:
    return list((Path(__file__).resolve().parents[2] / "modules" / "local").glob("*/*/main.nf"))
