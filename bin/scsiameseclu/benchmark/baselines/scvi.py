"""scVI (Lopez et al., Nat Methods 15, 1053-1058, 2018) by scvi-tools, then Leiden.

scvi-tools is not installed with the pipeline: ``pip install scvi-tools``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.comparison import matched_leiden_labels, standard_graph
from ._common import seeded

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray


def scvi_labels(adata: ad.AnnData, *, n_clusters: int, seed: int, device: str) -> NDArray[np.int64]:
    """Cluster scVI's embedding by Leiden, its resolution chosen for the number of clusters."""
    graph = standard_graph(scvi_embedding(adata, seed=seed, device=device), random_state=seed)
    return matched_leiden_labels(graph, n_clusters=n_clusters, random_state=seed)


def scvi_embedding(adata: ad.AnnData, *, seed: int, device: str = "cpu") -> NDArray[np.float32]:
    """Return the embedding of the counts of the highly variable genes, cells x 10.

    Model and training have the library's defaults.
    """
    import scvi

    cells = adata[:, adata.var["highly_variable"]].copy()
    with seeded(seed, device) as place:
        scvi.settings.seed = seed
        scvi.model.SCVI.setup_anndata(cells, layer="counts")
        model = scvi.model.SCVI(cells)
        model.train(
            accelerator="gpu" if place == "cuda" else "cpu",
            enable_progress_bar=False,
            enable_checkpointing=False,
            logger=False,
        )
        return np.asarray(model.get_latent_representation(), dtype=np.float32)
