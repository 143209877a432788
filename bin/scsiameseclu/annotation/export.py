"""The group's annotated data for other tools: Seurat, SingleCellExperiment, MuData, CELLxGENE."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd

from ..contracts import GUIDE, HASHTAG, PROTEIN
from ..files import make_plain
from ..steps import Step
from .cellxgene import write_cellxgene
from .clustered import CLUSTER, RUN
from .options import Prefix
from .r_objects.parts import NORMALIZED
from .r_objects.seurat import seurat_object
from .r_objects.single_cell_experiment import single_cell_experiment
from .r_objects.writing import write_rds

_MODALITIES = {PROTEIN: "prot", HASHTAG: "hto", GUIDE: "gdo"}
"""Kind of feature -> its modality in ``.h5mu``."""


def export(
    *, prefix: Prefix, annotated: Path, formats: list[Literal["seurat", "sce", "h5mu", "cellxgene"]]
) -> None:
    """Write the annotated data of a group for other tools.

    Writes ``<prefix>.seurat.rds``, ``<prefix>.sce.rds`` and, where features were counted beside
    genes, ``<prefix>.h5mu``, as far as they are asked for; for CELLxGENE see
    :func:`.cellxgene.write_cellxgene`.

    Parameters
    ----------
    annotated
        ``<group>.h5ad``.
    formats
        Which files to write.
    """
    if "cellxgene" in formats:
        write_cellxgene(prefix=prefix, annotated=annotated)
    if set(formats) == {"cellxgene"}:
        return  # the others need all counts in memory
    adata = ad.read_h5ad(annotated)
    run = adata.uns[RUN]
    if "seurat" in formats:
        value = seurat_object(adata, project=prefix, identities=CLUSTER, run=run)
        write_rds(value, f"{prefix}.seurat.rds")
    if "sce" in formats:
        write_rds(single_cell_experiment(adata, run=run), f"{prefix}.sce.rds")
    if "h5mu" in formats and set(_MODALITIES) & set(adata.obsm):
        _write_h5mu(adata, f"{prefix}.h5mu")


def _write_h5mu(adata: ad.AnnData, path: str) -> None:
    """Write genes as the modality ``rna``, and each kind of other features as one of its own."""
    from mudata import MuData, set_options  # here: only this format needs it

    kinds = [kind for kind in _MODALITIES if kind in adata.obsm]
    others = {_MODALITIES[kind]: _modality(adata, kind) for kind in kinds}
    for key in (*kinds, *NORMALIZED.values()):
        adata.obsm.pop(key, None)
    with set_options(pull_on_update=False):
        together = MuData({"rna": adata, **others})
        for modality in together.mod.values():
            make_plain(modality)
        together.write_h5mu(path, compression="gzip")


def _modality(adata: ad.AnnData, kind: str) -> ad.AnnData:
    """Return features of one kind, NaN if a cell was not measured.

    ``layers['counts']`` has the counts, ``X`` the normalized ones if there are some.
    """
    counts = adata.obsm[kind]
    values = adata.obsm.get(NORMALIZED.get(kind, ""), counts)
    return ad.AnnData(
        values.to_numpy(np.float32),
        obs=pd.DataFrame(index=adata.obs_names),
        var=pd.DataFrame(index=counts.columns.astype(str)),
        layers={"counts": counts.to_numpy(np.float32)},
    )


STEP = Step(export, isolate=True)
