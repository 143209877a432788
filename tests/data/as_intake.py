"""The demo samples, and others, as the intake stage hands them on."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scsiameseclu.files import set_settings

from tests.data import make_demo


def sample_settings(sample: str = "s1", **others: Any) -> dict[str, Any]:
    """Return the resolved row of a samplesheet."""
    row = {
        "sample": sample,
        "counts": f"{sample}.h5ad",
        "group": "g",
        "n_clusters": "auto",
        "organism": "human",
        "tissue": None,
        "expected_doublet_rate": None,
        "labels": None,
        "overrides": {},
        "extra": {},
    }
    return row | others


def as_intake(
    counts: Any,
    *,
    genes: list[str] | None = None,
    ids: list[str] | None = None,
    barcodes: Any = None,
    **row: Any,
) -> ad.AnnData:
    """Return counts (cells x genes) as `intake.read_counts` writes them."""
    matrix = sparse.csr_matrix(counts, dtype=np.int32)
    genes = genes or [f"GENE{number}" for number in range(matrix.shape[1])]
    barcodes = (
        [f"CELL{number}" for number in range(matrix.shape[0])]
        if barcodes is None
        else list(barcodes)
    )
    var = pd.DataFrame({"gene_ids": ids or genes, "gene_symbols": genes}, index=genes)
    adata = ad.AnnData(matrix, obs=pd.DataFrame(index=barcodes), var=var)
    set_settings(adata, sample_settings(**row))
    intake = {
        "format": "h5ad",
        "n_barcodes": adata.n_obs,
        "n_genes": adata.n_vars,
        "notes": ["Read."],
    }
    adata.uns["intake"] = json.dumps(intake)
    return adata


@cache
def _drawn(name: str) -> make_demo.Drawn:
    return make_demo.draw(make_demo.gene_names()[0], make_demo.SAMPLES[name])


def demo_sample(name: str) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return a demo sample as intake hands it on, and the truth, indexed by barcode."""
    symbols, ids = make_demo.gene_names()
    drawn = _drawn(name)
    adata = as_intake(
        drawn.counts,
        genes=symbols,
        ids=ids,
        barcodes=drawn.barcodes,
        sample=name,
        group=name.split("_")[0],
    )
    return adata, drawn.truth.set_index("barcode")
