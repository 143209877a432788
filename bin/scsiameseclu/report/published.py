"""What a run has published of a group, read back, and the report made again from it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata as ad

from .._version import __version__
from ..annotation.clustered import RUN
from ..blocks import opened
from ..errors import InputError, quoted
from ..files import SETTINGS, given_h5ad, read_json, settings

MODEL, SUMMARY, HISTORY = "model.safetensors", "clustering.json", "training_history.tsv"
PSEUDOBULK = "pseudobulk.h5ad"
ASSETS = Path(__file__).parents[3] / "assets"
"""What a checkout has beside the package."""
SCHEMA = ASSETS.parent / "nextflow_schema.json"
VERSIONS, PARAMETERS = "software_versions.yml", "params.json"
REPORT = "multiqc_report.html"


@dataclass(frozen=True, eq=False)
class Known:
    """What a run has left of a group: its folder, and its h5ad without the matrices.

    `settings` is what the samplesheet says of the group, `parameters` those of the run, as far as
    its ``params.json`` is there.
    """

    folder: Path
    file: Path
    adata: ad.AnnData
    settings: dict[str, Any]
    parameters: dict[str, Any]

    @property
    def group(self) -> str:
        """Id of the group."""
        return str(self.settings["group"])

    @property
    def run(self) -> Path:
        """Folder of the run's results."""
        return self.folder.parent.parent

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.adata.uns[RUN]["seed"])

    @classmethod
    def read(cls, folder: Path) -> Known:
        """Read a group's folder.

        Raises
        ------
        InputError
            It is no group's result, or one of another version.
        """
        folder = folder.absolute()
        file = _annotated(folder)
        with given_h5ad(no_result(folder, f"{file.name} cannot be read")), opened(file) as found:
            adata = ad.AnnData(
                obs=found.obs, var=found.var, obsm=found.obsm, varm=found.varm, uns=found.uns
            )
        _check_version(adata, file)
        params = folder.parent.parent / "pipeline_info" / "params.json"
        return cls(
            folder, file, adata, settings(adata), read_json(params) if params.is_file() else {}
        )

    def with_own(self, **own: Path | None) -> Known:
        """Return this with parameters that the user gives anew."""
        given = {key: str(path.absolute()) for key, path in own.items() if path is not None}
        return replace(self, parameters=self.parameters | given)

    def of_samples(self, suffix: str) -> list[Path]:
        """Return the files ``<sample><suffix>`` of the group's samples that are there."""
        names = [str(row["sample"]) for row in self.settings["samples"]]
        paths = [self.run / "samples" / name / f"{name}{suffix}" for name in names]
        return [path for path in paths if path.is_file()]


def _annotated(folder: Path) -> Path:
    """Return the group's h5ad, after a look at whether the folder is a group's."""
    if not folder.is_dir():
        raise no_result(folder, "there is no such folder")
    files = sorted(set(folder.glob("*.h5ad")) - {folder / PSEUDOBULK})
    submissions = {path.with_suffix(".cellxgene.h5ad") for path in files}
    files = [path for path in files if path not in submissions]
    if len(files) != 1 or not (folder / SUMMARY).is_file():
        raise no_result(folder, f"it has no {SUMMARY} or no <group>.h5ad")
    if not (folder / MODEL).is_file():
        raise InputError.of(
            what=f"{quoted(folder)} has no tree of clusters: its cells were placed into an earlier "
            f"result, or {MODEL} was removed.",
            where=folder,
            remedy="Recut the result that was the base (--base), or put the file back.",
        )
    return files[0]


def no_result(folder: Path, why: str) -> InputError:
    """Return the error for a folder that is no group's."""
    return InputError.of(
        what=f"{quoted(folder)} is not the result of a group: {why}.",
        where=folder,
        remedy="Give a folder results/groups/<group> of a run of this pipeline.",
    )


def _check_version(adata: ad.AnnData, file: Path) -> None:
    run = adata.uns.get(RUN)
    if not isinstance(run, dict) or "versions" not in run:
        raise no_result(file.parent, f"{file.name} is not of this pipeline")
    version = str(run["versions"].get("scsiameseclu"))
    if version != __version__ or SETTINGS not in adata.uns:
        raise InputError.of(
            what=f"{quoted(file.name)} is of another version of the pipeline ({version}; this is "
            f"{__version__}{'' if SETTINGS in adata.uns else ', and keeps the settings in it'}).",
            where=file,
            remedy="Use the version that made it, or start a new run with this one.",
        )


def write_report(known: Known) -> str:
    """Write ``multiqc_report.html`` into the current folder, where the tables of the group are.

    Returns
    -------
    Why there is no report; nothing where there is one.
    """
    if missing := _missing(known):
        return missing
    for name in ("samples", "groups", "sections"):
        Path(name).mkdir()
    for path in (*known.of_samples(".qc.json"), *known.of_samples(".cell_ledger.tsv.gz")):
        Path("samples", path.name).symlink_to(path)
    for path in Path().glob(f"{known.group}.*"):
        Path("groups", path.name).symlink_to(path.absolute())
    account = known.run / "pipeline_info" / "expression" / f"{known.group}.json"
    if account.is_file():
        Path("groups", f"{known.group}.expression.json").symlink_to(account)
    _write_sections(known)
    for name in ("logo.svg", "multiqc.css"):
        shutil.copyfile(ASSETS / name, name)
    command = [sys.executable, "-m", "multiqc", "--quiet", "--force", "sections"]
    command += ["--config", str(ASSETS / "multiqc_config.yml")]
    command += ["--config", "sections/section_order.yml"]
    if title := known.parameters.get("report_title"):
        command += ["--title", str(title)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    failed = done.returncode or not Path(REPORT).exists()
    return f"MultiQC failed: {done.stderr.strip()[-300:]}" if failed else ""


def _missing(known: Known) -> str:
    """Return what a report needs and is not there, in words; nothing where all is."""
    if not ASSETS.is_dir():
        return "the command was not started from a checkout of the pipeline"
    if importlib.util.find_spec("multiqc") is None:
        return "MultiQC is not installed"
    info = known.run / "pipeline_info"
    if not all((info / name).is_file() for name in (VERSIONS, PARAMETERS)):
        return f"{info} does not hold {PARAMETERS} and {VERSIONS}"
    if len(known.of_samples(".qc.json")) < len(known.settings["samples"]):
        return f"{known.run / 'samples'} does not hold every sample of the group"
    return ""


def _write_sections(known: Known) -> None:
    from .tables import write_tables

    work, info = Path.cwd(), known.run / "pipeline_info"
    Path("samplesheet.json").write_text(json.dumps(known.settings["samples"]), encoding="utf-8")
    logo = Path(str(known.parameters.get("report_logo") or ""))
    with chdir("sections"):
        write_tables(
            samples=work / "samples",
            groups=work / "groups",
            samplesheet=work / "samplesheet.json",
            parameters=info / PARAMETERS,
            versions=info / VERSIONS,
            methods=ASSETS / "methods_description_template.yml",
            schema=SCHEMA,
            # Where it still is there.
            logo=logo if logo.is_absolute() and logo.is_file() else None,
        )
        for own in Path().glob("custom_logo.*"):
            own.rename(work / own.name)
