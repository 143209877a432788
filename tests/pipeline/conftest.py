"""Runs of the whole pipeline. Each starts Nextflow as a user does, from a folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tests" / "data" / "demo"
UNTRACED = ("-c", ROOT / "tests" / "pipeline" / "untraced.config")
"""Options of a run whose tasks no test asks for."""
# A sixth less of a processor for each start, 1.4 s.
os.environ.setdefault("NXF_OPTS", "-XX:+UseSerialGC")


@dataclass(frozen=True)
class Run:
    """A finished run: its output, status and results."""

    status: int
    output: str
    folder: Path
    name: str = "results"

    @property
    def results(self) -> Path:
        """Return the folder of the results."""
        return self.folder / self.name

    @property
    def processes(self) -> set[str]:
        """Return the names of the processes that ran or were cached."""
        return {task["name"].split(" ")[0].split(":")[-1] for task in self.tasks()}

    def tasks(self) -> list[dict[str, str]]:
        """Return the rows of the newest trace."""
        newest = max(
            (self.results / "pipeline_info").glob("trace_*.tsv"),
            key=lambda path: path.stat().st_mtime_ns,
        )
        header, *rows = newest.read_text().splitlines()
        return [dict(zip(header.split("\t"), row.split("\t"), strict=True)) for row in rows]


def pipeline_command(
    folder: Path,
    *arguments: object,
    profile: str = "venv",
    root: Path = ROOT,
    name: str = "results",
) -> list[str]:
    """Return the command of the pipeline at `root` with results in ``folder/name``."""
    command = [str(root / "nextflow"), "run", str(root), "-profile", profile, "-ansi-log", "false"]
    return [*command, "--outdir", str(folder / name), *map(str, arguments)]


def run_pipeline(
    folder: Path,
    *arguments: object,
    profile: str = "venv",
    root: Path = ROOT,
    timeout: int = 1800,
    variables: dict[str, str] | None = None,
    within: Sequence[str] = (),
    name: str = "results",
) -> Run:
    """Run the pipeline in `folder`, with results in ``folder/name``.

    `root` is the checkout; `variables` are added to the environment; `within` is a command that
    runs a command.
    """
    environment = os.environ | {"NXF_ANSI_LOG": "false"} | (variables or {})
    done = subprocess.run(
        [*within, *pipeline_command(folder, *arguments, profile=profile, root=root, name=name)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr, folder, name)


def assert_same_clusters(run: Run, demo: Run) -> None:
    """Fail unless `run` ended well with the demo's clusters, byte for byte those of `demo`."""
    assert run.status == 0, run.output
    for group in ["blood", "pancreas"]:
        path = Path("groups") / group / "clusters.tsv"
        assert (run.results / path).read_bytes() == (demo.results / path).read_bytes()


def assert_same_results(run: Run, demo: Run, group: str) -> None:
    """Fail unless what was found of a group is, byte for byte, what the demo's run found."""
    ours, theirs = (one.results / "groups" / group for one in (run, demo))
    for name in [
        "clusters.tsv",
        "markers.tsv",
        "annotation.tsv",
        "training_history.tsv",
        "model.safetensors",
    ]:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    found, expected = (ad.read_h5ad(folder / f"{group}.h5ad") for folder in (ours, theirs))
    assert list(found.obs["cluster"]) == list(expected.obs["cluster"])
    np.testing.assert_array_equal(found.obsm["X_scsiameseclu"], expected.obsm["X_scsiameseclu"])


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the pipeline on the bundled data."""
    run = run_pipeline(tmp_path_factory.mktemp("demo"), profile="test,venv")
    assert run.status == 0, run.output
    return run
