"""What a run has published of a group, read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata as ad

from .._version import __version__
from ..annotation.clustered import RUN
from ..blocks import opened
from ..errors import InputError, quoted
from ..files import SETTINGS, read_json, settings

MODEL, SUMMARY, HISTORY = "model.safetensors", "clustering.json", "training_history.tsv"
PSEUDOBULK = "pseudobulk.h5ad"


@dataclass(frozen=True, eq=False)
class Known:
    """What a run has left of a group.

    Parameters
    ----------
    folder, file
        The group's folder and its h5ad.
    adata
        Of that file, without its matrices.
    settings
        What the samplesheet says of the group.
    parameters
        Of the run, as far as its ``params.json`` is there.
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
        try:
            with opened(file) as found:
                adata = ad.AnnData(
                    obs=found.obs, var=found.var, obsm=found.obsm, varm=found.varm, uns=found.uns
                )
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise no_result(folder, f"{file.name} cannot be read") from error
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
        what=f"{quoted(folder)} is no result of a group: {why}.",
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
