"""Two runs that must agree: the second has other labels, no network, and another file system."""

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
"""A command that runs another in a network namespace without routes, if permitted."""


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run the bundled data once more, its blood without labels, those of its pancreas permuted.

    Without a network, and on another file system, if available.
    """
    folder = tmp_path_factory.mktemp("again")
    labels = pd.read_csv(DEMO / "pancreas.labels.csv")
    shuffled = labels["label"].sample(frac=1, random_state=1).to_numpy()
    labels.assign(label=shuffled).to_csv(folder / "permuted.csv", index=False)
    sheet = pd.read_csv(DEMO / "samplesheet.csv")
    sheet["counts"] = [str(DEMO / name) for name in sheet["counts"]]
    sheet["labels"] = sheet["group"].map({"pancreas": "permuted.csv"})
    sheet.to_csv(folder / "sheet.csv", index=False)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else folder) as work:
        yield run_pipeline(
            folder, "--input", folder / "sheet.csv", "-work-dir", work, within=OFFLINE
        )


@pytest.mark.skipif(not OFFLINE, reason="network namespaces are not permitted here")
def test_no_network_is_needed(again: Run) -> None:
    routes = subprocess.run(
        [*OFFLINE, "cat", "/proc/net/route"], capture_output=True, text=True, check=True
    ).stdout
    assert len(routes.splitlines()) <= 1, "a header and no route"
    assert again.status == 0, again.output


@pytest.mark.parametrize("group", ["blood", "pancreas"])
def test_a_second_run_gives_the_same_bytes_whatever_the_labels(
    demo: Run, again: Run, group: str
) -> None:
    assert again.status == 0, again.output
    for name in [
        "clusters.tsv",
        "markers.tsv",
        "annotation.tsv",
        "training_history.tsv",
        "model.safetensors",
    ]:
        path = Path("groups") / group / name
        assert (again.results / path).read_bytes() == (demo.results / path).read_bytes(), path
    ours, theirs = (
        ad.read_h5ad(run.results / "groups" / group / f"{group}.h5ad") for run in (demo, again)
    )
    assert list(ours.obs["cluster"]) == list(theirs.obs["cluster"])
    np.testing.assert_array_equal(ours.obsm["X_scsiameseclu"], theirs.obsm["X_scsiameseclu"])


def test_labels_change_the_scores(demo: Run, again: Run) -> None:
    scores = {
        (name, group): json.loads(
            (run.results / "groups" / group / "metrics.json").read_text()
        ).get("ari")
        for name, run in {"given": demo, "other": again}.items()
        for group in ("blood", "pancreas")
    }
    assert scores["given", "blood"] > 0.8
    assert scores["given", "pancreas"] > 0.8
    assert scores["other", "blood"] is None
    assert abs(scores["other", "pancreas"]) < 0.1, "permuted labels"
