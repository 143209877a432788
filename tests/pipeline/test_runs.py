"""Runs that must agree with each other: twice the same, with and without labels, and as a stub."""

from __future__ import annotations

import json
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
    """Run the bundled data and copies once more: without a network and on another file system, where there are such."""
    folder = tmp_path_factory.mktemp("again")
    write_sheet_with_copies(folder)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else folder) as work:
        yield run_pipeline(folder, "-work-dir", work, "--input", folder / "sheet.csv", within=OFFLINE)


def write_sheet_with_copies(folder: Path) -> None:
    """Write the bundled samples and the pancreas twice more: `absent` has no labels, `permuted` has them permuted."""
    sheet = pd.read_csv(DEMO / "samplesheet.csv")
    for column in ("counts", "labels"):
        sheet[column] = [str(DEMO / name) for name in sheet[column]]
    pancreas = sheet[sheet["sample"] == "pancreas"]
    labels = pd.read_csv(DEMO / "pancreas.labels.csv")
    labels["label"] = labels["label"].sample(frac=1, random_state=1).to_numpy()
    labels.to_csv(folder / "permuted.csv", index=False)
    absent = pancreas.assign(sample="absent", group="absent", labels="")
    permuted = pancreas.assign(sample="permuted", group="permuted", labels="permuted.csv")
    pd.concat([sheet, absent, permuted]).to_csv(folder / "sheet.csv", index=False)


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


def test_labels_change_nothing_but_the_scores(again: Run) -> None:
    """The same counts three times: without labels, with them, and with permuted ones."""
    assert again.status == 0, again.output
    absent, given, permuted = (again.results / "groups" / name for name in ["absent", "pancreas", "permuted"])
    for other in [given, permuted]:
        assert (other / "markers.tsv").read_bytes() == (absent / "markers.tsv").read_bytes()
        assert (other / "annotation.tsv").read_bytes() == (absent / "annotation.tsv").read_bytes()
        ours, theirs = (ad.read_h5ad(folder / f"{folder.name}.h5ad") for folder in [absent, other])
        assert list(ours.obs["cluster"]) == list(theirs.obs["cluster"])
        np.testing.assert_array_equal(ours.obsm["X_scsiameseclu"], theirs.obsm["X_scsiameseclu"])
    scores = [json.loads((folder / "metrics.json").read_text()).get("ari") for folder in [absent, given, permuted]]
    assert scores[0] is None
    assert scores[1] > 0.8 > scores[2]


def test_a_stub_run_goes_through_every_step(tmp_path: Path) -> None:
    options = ["--device", "cuda", "--benchmark", "--condition", "donor"]
    options += ["--reference", DEMO / "pancreas.h5ad", "--reference_label", "type"]
    run = run_pipeline(tmp_path, "-stub", *options, profile="test,venv")
    assert run.status == 0, run.output
    ran = {task["name"].split(" ")[0].split(":")[-1] for task in run.tasks()}
    modules = {f"{path.parent.parent.name}_{path.parent.name}".upper() for path in _module_files()}
    assert ran == modules - {"REPORT_VERDICT"}, "the verdict is for runs in which something failed"


def _module_files() -> list[Path]:
    return list((Path(__file__).resolve().parents[2] / "modules" / "local").glob("*/*/main.nf"))
