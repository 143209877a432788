"""Two runs that must agree: the second has other labels, no network, and another file system.

One that has no labels and is interrupted: test_interrupted.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from .conftest import DEMO, UNTRACED, Run, assert_same_results, run_pipeline

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
    """Run the bundled data's blood once more, with permuted labels.

    Without a network, and on another file system, if available.
    """
    folder = tmp_path_factory.mktemp("again")
    sheet = pd.read_csv(DEMO / "samplesheet.csv").query("group == 'blood'")
    for name in sheet["labels"]:
        labels = pd.read_csv(DEMO / name)
        shuffled = labels["label"].sample(frac=1, random_state=1).to_numpy()
        labels.assign(label=shuffled).to_csv(folder / name, index=False)
    sheet["counts"] = [str(DEMO / name) for name in sheet["counts"]]
    sheet.to_csv(folder / "sheet.csv", index=False)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else folder) as work:
        yield run_pipeline(
            folder, *UNTRACED, "--input", folder / "sheet.csv", "-work-dir", work, within=OFFLINE
        )


@pytest.mark.skipif(not OFFLINE, reason="network namespaces are not permitted here")
def test_no_network_is_needed(again: Run) -> None:
    routes = subprocess.run(
        [*OFFLINE, "cat", "/proc/net/route"], capture_output=True, text=True, check=True
    ).stdout
    assert len(routes.splitlines()) <= 1, "a header and no route"
    assert again.status == 0, again.output


def test_a_second_run_gives_the_same_bytes_whatever_the_labels(demo: Run, again: Run) -> None:
    assert again.status == 0, again.output
    assert_same_results(again, demo, "blood")


def test_labels_change_the_scores(demo: Run, again: Run) -> None:
    given, permuted = (
        json.loads((run.results / "groups" / "blood" / "metrics.json").read_text())["ari"]
        for run in (demo, again)
    )
    assert given > 0.8
    assert abs(permuted) < 0.1
