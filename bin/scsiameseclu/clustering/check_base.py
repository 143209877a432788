"""The early check of an earlier result, the base: whether the samples can be placed into it."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import pandas as pd

from ..errors import InputError, Problem, listed
from ..files import given_h5ad, unwrapped
from ..intake.organism import Organism, infer_organism
from ..steps import Step

COLUMNS = ("cluster", "cell_type")
"""Columns of ``obs`` that every result has."""


def check(*, base: Path, samples: Path) -> None:
    """Fail early unless the samples can be placed into an earlier result.

    Whether the samples have its genes is known only when their counts are read.

    Parameters
    ----------
    base
        ``<group>.h5ad`` of an earlier run.
    samples
        ``samples.json``: settings of all samples.

    Raises
    ------
    InputError
        It is not a result of this pipeline, or its genes are of another organism than the samples.
    """
    found = open_base(unwrapped(base))
    organism = base_organism(found.var)
    rows = json.loads(samples.read_text(encoding="utf-8"))
    others = [
        str(row["sample"])
        for row in rows
        if organism.found != "mixed" and organism.check(str(row["organism"]))
    ]
    if others:
        raise InputError(_of_another_organism(organism, others))


def open_base(path: Path) -> ad.AnnData:
    """Return an earlier result, whose counts stay on disk.

    Raises
    ------
    InputError
        It is not an AnnData file, or not a ``<group>.h5ad`` of this pipeline.
    """
    with given_h5ad(_no_base("it cannot be read as an .h5ad file")):
        found = ad.read_h5ad(path, backed="r")
    check_base(found)
    return found


def check_base(base: ad.AnnData) -> None:
    """Raise InputError if a file is not a result of the pipeline onto which cells can be mapped."""
    absent = [
        f"obs[{name!r}]" for name in COLUMNS if name not in base.obs or base.obs[name].isna().any()
    ]
    absent += ["layers['counts']"] * ("counts" not in base.layers)
    absent += ["obsm['X_pca']"] * ("X_pca" not in base.obsm)
    absent += ["varm['PCs']"] * ("PCs" not in base.varm)
    absent += ["var['highly_variable']"] * ("highly_variable" not in base.var)
    absent += ["uns['scsiameseclu']"] * ("scsiameseclu" not in base.uns)
    if absent:
        raise _no_base(f"it has no {', '.join(absent)}")
    if base.n_obs < 2:
        raise _no_base("it has fewer than two cells")


def base_organism(var: pd.DataFrame) -> Organism:
    """Return the organism of a result by its genes: symbols as row names, ids in ``gene_ids``."""
    symbols = var.index.astype(str)
    ids = var["gene_ids"].astype(str).to_numpy() if "gene_ids" in var else symbols
    return infer_organism(pd.DataFrame({"gene_ids": ids, "gene_symbols": symbols}))


def _no_base(why: str) -> InputError:
    return InputError.of(
        what=f"the base is not a result of this pipeline: {why}",
        where="--base",
        remedy="give a groups/<group>/<group>.h5ad that an earlier run has written",
    )


def _of_another_organism(organism: Organism, samples: list[str]) -> Problem:
    name = organism.name or organism.found
    return Problem(
        what=f"the base is of another organism ({name}: {organism.evidence}) than "
        f"samples {listed(samples)}",
        where="--base",
        remedy="give a base of the samples' organism, or set the right --organism "
        "(or column organism)",
    )


STEP = Step(check)
