"""Expression and clusters of a group of samples, read together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np

from ..blocks import opened
from ..contracts import CELLTYPIST_TYPE, PHASE, SINGLER_TYPE

CLUSTER = "cluster"
"""Column of ``obs`` with the clusters, a categorical in the order of the clusters."""
SUBCLUSTER = "cluster_sub"
"""Column of ``obs`` that is there where clusters were divided; others keep their name."""
TEXT_OF_CELLS = (SUBCLUSTER, SINGLER_TYPE, CELLTYPIST_TYPE, PHASE)
"""Columns of the steps' tables of cells that are text; all others are numbers."""
PLACED_TYPE, UNLIKE = "cell_type", "unlike_known"
"""Columns of ``obs`` that only cells placed into an earlier result have, before they are
annotated."""
EMBEDDING = "X_scsiameseclu"
"""Key of ``obsm`` with the embedding in which the clusters were found."""
RUN = "scsiameseclu"
"""Key of ``uns`` of the annotated data with parameters, versions and seed."""
UNCORRECTED, UNCORRECTED_PICTURE = "cluster_uncorrected", "X_umap_uncorrected"
"""Column of ``obs`` and key of ``obsm`` that are there where batches were corrected."""
UNCORRECTED_UMAP = ("uncorrected_1", "uncorrected_2")
"""Columns of ``<group>.umap.tsv`` that are there where batches were corrected."""


@contextmanager
def clustered(expression: Path, clustering: Path) -> Iterator[ad.AnnData]:
    """Open a group's expression and give it the clusters found in it; its matrices stay on disk.

    Parameters
    ----------
    expression
        ``<group>.expression.h5ad``: log-normalised ``X`` (CSR, float32), ``layers['counts']``,
        ``obsm['X_pca']``.
    clustering
        ``<group>.clustering.h5ad`` of the same cells in the same order.

    Yields
    ------
    The expression with ``obs``, ``obsm`` and ``uns`` of the clustering added.
    """
    clusters = ad.read_h5ad(clustering)
    with opened(expression) as adata:
        if not np.array_equal(adata.obs_names, clusters.obs_names):
            raise ValueError(
                f"{expression.name} and {clustering.name} do not hold the same "
                "cells in the same order"
            )
        for column in clusters.obs:
            adata.obs[column] = clusters.obs[column]
        adata.obsm.update(clusters.obsm)
        adata.uns.update(clusters.uns)
        yield adata
