"""The command, from settings on stdin to files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from scsiameseclu import command
from scsiameseclu.intake.estimate_memory import matrix_size
from scsiameseclu.intake.read_counts import read_counts

ROOT = Path(__file__).parents[2]


def run(folder, *arguments, settings):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, ROOT / "bin/scsiameseclu_step", "intake", "read_counts", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bin")}
    return subprocess.run(
        command,
        cwd=folder,
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture
def source(example, tmp_path):
    adata = example.adata()
    adata.obs["kind"] = "T"
    adata.write_h5ad(tmp_path / "-a 'b' $(c).h5ad")
    return str(tmp_path / "-a 'b' $(c).h5ad")


def test_writes_counts_and_labels_the_same_each_time(source, example, tmp_path):
    settings = {"sample": "s", "labels": "kind", "extra": {"a/b": "é"}}
    for name in ("one", "two"):
        done = run(tmp_path / name, "--prefix", "s", "--counts", source, settings=settings)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    found = ad.read_h5ad(tmp_path / "one/s.counts.h5ad")
    example.check(found)
    assert json.loads(found.uns["settings"]) == settings
    assert json.loads(found.uns["intake"])["n_barcodes"] == 12
    labels = pd.read_csv(tmp_path / "one/s.labels.tsv", sep="\t")
    assert list(labels.columns) == ["barcode", "label"]
    size = json.loads((tmp_path / "one/s.size.json").read_text())
    assert size == {
        "n_cells": 12,
        "n_genes": found.n_vars,
        "n_values": int((found.X.toarray() > 0).sum()),
    }
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_counts_do_not_depend_on_labels(source, tmp_path):
    content = set()
    for name, labels in (("with", "kind"), ("without", None)):
        run(tmp_path / name, "--prefix", "s", "--counts", source, settings={"labels": labels})
        found = ad.read_h5ad(tmp_path / name / "s.counts.h5ad")
        content.add((found.X.toarray().tobytes(), tuple(found.obs_names), found.uns["intake"]))
    assert len(content) == 1
    assert not (tmp_path / "without/s.labels.tsv").exists()


def test_failure_is_recorded(tmp_path):
    (tmp_path / "x.rds").write_bytes(b"RDX3\nX\n")
    done = run(
        tmp_path / "out",
        "--prefix",
        "s",
        "--counts",
        str(tmp_path / "x.rds"),
        settings={"counts": "my/x.rds"},
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "s.intake.read_counts.failure.json",
        "versions.yml",
    }
    failure = json.loads((tmp_path / "out/s.intake.read_counts.failure.json").read_text())
    assert failure["step"] == "intake.read_counts"
    assert failure["problems"][0]["where"] == "my/x.rds", "the user's name for it, not the task's"
    assert "saveRDS" in failure["problems"][0]["remedy"]


@pytest.fixture
def problem_of(tmp_path, monkeypatch):
    """Return a function that reads a staged path and returns the problem."""
    monkeypatch.chdir(tmp_path)

    def read(staged, own):
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"counts": own})))
        with pytest.raises(SystemExit, match="0"):
            command.run(read_counts, isolate=True, arguments=["--prefix", "s", "--counts", staged])
        (problem,) = json.loads((tmp_path / "s.intake.read_counts.failure.json").read_text())[
            "problems"
        ]
        return problem

    return read


def test_a_matrix_without_its_lists_is_reported_by_the_users_path(write_mtx, tmp_path, problem_of):
    alone = tmp_path / "alone" / "matrix.mtx.gz"
    alone.parent.mkdir()
    (write_mtx(tmp_path / "a") / alone.name).rename(alone)
    problem = problem_of(str(alone), "my/matrix.mtx.gz")
    assert "cannot be identified (there is none)" in problem["what"]
    assert problem["where"] == "my/matrix.mtx.gz"


NAMES = [
    "x*.csv",
    ".hidden",
    "$HOME.csv",
    "a 'b' \"c\".csv",
    "back\\slash",
    "-dash",
    "ünï.csv",
    "..",
    "folder/",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_staged_file_has_the_users_name_for_it_in_messages(tmp_path, problem_of, name):
    (tmp_path / "counts").write_text("gene,c1,c2\nA,1,-7\nB,2,3\n")
    problem = problem_of("counts", f"my data/{name}")
    assert "-7" in problem["what"]
    assert problem["where"] == f"my data/{name}"


def test_unreadable_files_are_reported_by_the_users_path_too(tmp_path, problem_of):
    (tmp_path / "counts").symlink_to("counts")
    assert problem_of("counts", "my data/x.h5ad")["where"] == "'my data/x.h5ad'"


def test_a_pipe_or_device_is_refused_at_once(tmp_path, problem_of):
    os.mkfifo(tmp_path / "counts")
    for staged in ("counts", "/dev/zero", "/dev/tty"):
        assert "neither a file nor a folder" in problem_of(staged, "my data/x.h5ad")["what"]
    assert matrix_size(tmp_path / "counts") is None


def test_a_link_that_replaces_an_unsafe_path_is_followed(source, example, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given/.given").symlink_to(source)
    done = run(
        tmp_path / "out",
        "--prefix",
        "s",
        "--counts",
        "../given",
        settings={"sample": "s", "counts": source},
    )
    assert done.returncode == 0, done.stderr
    example.check(ad.read_h5ad(tmp_path / "out/s.counts.h5ad"))
