"""A change to the code of a stage reruns only that stage and those after it."""

from __future__ import annotations

import ast
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, run_pipeline

PACKAGE = ROOT / "bin" / "scsiameseclu"
STAGES = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
BY_CONTENT = {"ANNOTATION_CELLTYPES", "ANNOTATION_REFERENCE", "ANNOTATION_OPINION"}
"""Processes with ``cache 'deep'``."""
DECLARED = ROOT / "subworkflows" / "local" / "utils" / "code.nf"


def imported(file: Path) -> Iterator[tuple[str, ...]]:
    """Yield dotted names, without the package's, of what a module imports from the package."""
    inside = file.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: -node.level] if node.level else ()
            names = [(*above, *(node.module or "").split("."), alias.name) for alias in node.names]
        else:
            continue
        yield from (tuple(filter(None, name))[1:] for name in names if name[0] == PACKAGE.name)


def imported_stages(stage: str) -> set[str]:
    """Return the other stages from which the modules of a stage import, wherever in a module."""
    names = (name[0] for file in (PACKAGE / stage).rglob("*.py") for name in imported(file) if name)
    return {name for name in names if name in STAGES} - {stage}


def declared_stages() -> dict[str, set[str]]:
    rows = re.findall(r"(?m)^ +(\w+): \[([^\]]*)\],$", DECLARED.read_text())
    return {stage: set(re.findall(r"'(\w+)'", others)) for stage, others in rows}


def test_the_stages_that_a_stage_imports_are_declared() -> None:
    assert declared_stages() == {stage: imported_stages(stage) for stage in sorted(STAGES)}, (
        f"mend {DECLARED}"
    )


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_process_takes_the_checksum_of_its_stage(stage: str) -> None:
    modules = [
        path
        for path in (ROOT / "modules/local" / stage).glob("*/main.nf")
        if path.parent.name != "multiqc"
    ]
    assert modules
    for module in modules:
        assert re.search(
            r"(?ms)^    input:\n.*^    val code$.*^    (output|script):", module.read_text()
        ), module
    wiring = (ROOT / "subworkflows" / "local" / stage / "main.nf").read_text()
    assert f"codeOf('{stage}')" in wiring
    assert len(re.findall(r"\bcodeOf\(", wiring)) == 1


def test_shared_modules_import_from_no_stage() -> None:
    """Nor from ``__main__``, which is left out of the checksums and may import any stage."""
    shared = [path for path in PACKAGE.glob("*.py") if path.name != "__main__.py"]
    assert not any(
        re.search(rf"(?m)^from \.({'|'.join(STAGES)})\b", path.read_text()) for path in shared
    )
    names = {
        name[0] for path in [*shared, *PACKAGE.glob("*/**/*.py")] for name in imported(path) if name
    }
    assert "__main__" not in names
    assert "source.name != '__main__.py'" in DECLARED.read_text()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the files of the pipeline that a run needs, without history and results."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in (
        "assets",
        "bin",
        "conf",
        "containers",
        "modules",
        "subworkflows",
        "workflows",
        "tests/data/demo",
    ):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("main.nf", "nextflow", "nextflow.config", "nextflow_schema.json"):
        shutil.copy(ROOT / name, copy)
    for name in (".venv", ".launcher"):
        if (ROOT / name).exists():
            (copy / name).symlink_to((ROOT / name).resolve())
    (copy / "sheet.csv").write_text("sample,counts\na,tests/data/demo/pancreas.h5ad\n")
    return copy


@pytest.mark.pipeline
def test_an_edit_reruns_its_stage_and_those_after_it(checkout: Path) -> None:
    """Change one stage after the other of a copied checkout, from the last to the first."""
    assert set(rerun(checkout)) == set(), "the first run"
    edits = {
        "report/palette.py": {"REPORT"},
        "clustering/__init__.py": {"CLUSTERING", "ANNOTATION", "EVALUATION", "REPORT"},
        "quality/mad.py": {
            "QUALITY",
            "EXPRESSION",
            "CLUSTERING",
            "ANNOTATION",
            "EVALUATION",
            "REPORT",
        },
    }
    for edited, stages in edits.items():
        with (checkout / "bin" / "scsiameseclu" / edited).open("a") as file:
            file.write("\n# Another version.\n")
        ran = rerun(checkout)
        assert {stage for stage, how in ran.items() if how != {"CACHED"}} == stages, edited
        assert all("CACHED" not in ran[stage] for stage in stages), edited


def rerun(checkout: Path) -> dict[str, set[str]]:
    """Run the checkout's stub; return how each stage's tasks ended, nothing for the first run."""
    first = not (checkout / "results").exists()
    resume = [] if first else ["-resume"]
    run = run_pipeline(checkout, "-stub", *resume, "--input", checkout / "sheet.csv", root=checkout)
    assert run.status == 0, run.output
    ended: dict[str, set[str]] = defaultdict(set)
    for task in run.tasks():
        # Tasks cached by content run again only if it differs, which is not the case for a stub.
        if task["name"].split(" ")[0].split(":")[-1] in BY_CONTENT:
            continue
        ended[task["name"].split(":")[1]].add(task["status"])
    return {} if first else dict(ended)
