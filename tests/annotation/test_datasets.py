"""Cell types of the pipeline's clusters on labelled data, with defaults and no labels."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu import ScSiameseClu
from scsiameseclu.annotation.celltypes import annotate_clusters
from scsiameseclu.annotation.marker_sets import cell_types_for, read_marker_sets
from scsiameseclu.benchmark import datasets as benchmark_datasets
from scsiameseclu.evaluation.scores import marker_agreement

from .test_marker_sets import ASSETS

pytestmark = pytest.mark.slow

DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"
T_CELLS, MONOCYTES = "T cell", "monocyte"
ENDOCRINE = {
    name: (f"{name} cell", "endocrine cell") for name in ("alpha", "beta", "delta", "gamma")
}
PARENCHYMA = {name: (f"{name} cell",) for name in ("ductal", "acinar", "endothelial")}
RIGHT: dict[str, dict[str, tuple[str, ...]]] = {
    "pbmc3k": {
        "Naive CD4 T": ("CD4 T cell", T_CELLS),
        "Memory CD4 T": ("CD4 T cell", T_CELLS),
        "CD8 T": ("CD8 T cell", T_CELLS),
        "CD14+ Mono": ("CD14 monocyte", MONOCYTES),
        "FCGR3A+ Mono": ("FCGR3A monocyte", MONOCYTES),
        "B": ("B cell",),
        "NK": ("NK cell",),
        "DC": ("conventional dendritic cell",),
        "Platelet": ("megakaryocyte or platelet",),
    },
    "kang8": {
        "CD4 T cells": ("CD4 T cell", T_CELLS),
        "CD8 T cells": ("CD8 T cell", T_CELLS),
        "CD14+ Monocytes": ("CD14 monocyte", MONOCYTES),
        "FCGR3A+ Monocytes": ("FCGR3A monocyte", MONOCYTES),
        "B cells": ("B cell",),
    },
    "baron_mouse1": {
        **ENDOCRINE,
        **PARENCHYMA,
        "quiescent_stellate": ("quiescent stellate cell", "stellate cell"),
        "activated_stellate": ("activated stellate cell", "stellate cell"),
        "macrophage": ("macrophage", "immune cell"),
        "immune_other": ("immune cell",),
        "T_cell": ("T cell", "immune cell"),
        "B_cell": ("B cell", "immune cell"),
        "schwann": ("Schwann cell",),
    },
    "panc8_200": {**ENDOCRINE, **PARENCHYMA},
}
"""Names that are right for a label: the type or its parent."""


def labelled(name: str, folder: Path) -> tuple[benchmark_datasets.Dataset, ad.AnnData]:
    """Return an external data set and its expression, or skip the test without it."""
    path = DATASETS / f"{name}.h5ad"
    if not path.is_file():
        pytest.skip(f"{name}.h5ad is not beside the checkout")
    dataset = benchmark_datasets.read_dataset(path, scratch=folder)
    assert dataset is not None
    return dataset, ad.read_h5ad(dataset.expression)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tissue", "organism", "share"),
    [
        ("pbmc3k", "blood", "human", 0.9),
        ("kang8", "blood", "human", 0.9),
        ("baron_mouse1", "pancreas", "mouse", 0.9),
        ("panc8_200", "pancreas", "human", 0.8),  # docs/method.md says why it is not more
    ],
)
def test_share_of_cells_that_are_named_rightly(
    tmp_path, record_property, name, tissue, organism, share
):
    dataset, adata = labelled(name, tmp_path)
    source = ad.read_h5ad(DATASETS / f"{name}.h5ad", backed="r").obs
    # As in a run.
    adata.obs["batch"] = source["sample"].reindex(adata.obs_names) if "sample" in source else name
    found = ScSiameseClu(batch_key="batch", random_state=0, device="cpu").fit(adata)
    adata.obs["cluster"] = pd.Categorical(found.labels_.astype(str))
    types = cell_types_for(read_marker_sets(ASSETS), tissue=tissue, organism=organism)

    names = annotate_clusters(adata, types).set_index("cluster")["cell_type"]

    known = dataset.gold.notna().to_numpy()
    given = adata.obs["cluster"].astype(str).map(names)[known]
    right = np.mean(
        [
            cell in RIGHT[name].get(label, ())
            for cell, label in zip(given, dataset.gold[known], strict=True)
        ]
    )
    record_property("share", round(float(right), 4))
    shared = marker_agreement(adata, dataset.gold)["mean"]
    print(
        f"{name}: {right:.3f} of the cells are named rightly; {shared:.2f} of the "
        "markers are the gold type's"
    )
    assert right >= share
    assert shared >= 0.6  # docs/method.md says where and why it is low


@pytest.mark.shared
@pytest.mark.parametrize("name", ["kang8", "panc8_200"])
def test_random_clusters_and_permuted_genes_of_real_data_are_unknown(tmp_path, name):
    dataset, adata = labelled(name, tmp_path)
    tissue = "blood" if name == "kang8" else "pancreas"
    types = cell_types_for(read_marker_sets(ASSETS), tissue=tissue, organism="human")
    rng = np.random.default_rng(0)
    symbols, gold = (
        adata.var["gene_symbols"].to_numpy(),
        dataset.gold.fillna("none").to_numpy(dtype=str),
    )
    unknown: dict[str, list[bool]] = {"clusters": [], "genes": []}
    for seed in range(8):
        adata.obs["cluster"] = pd.Categorical(rng.permutation(gold))
        unknown["clusters"] += list(
            annotate_clusters(adata, types, seed=seed)["cell_type"] == "Unknown"
        )
        adata.obs["cluster"] = pd.Categorical(gold)
        adata.var["gene_symbols"] = rng.permutation(symbols)
        unknown["genes"] += list(
            annotate_clusters(adata, types, seed=seed)["cell_type"] == "Unknown"
        )
        adata.var["gene_symbols"] = symbols
    assert np.mean(unknown["clusters"]) >= 0.95
    assert np.mean(unknown["genes"]) >= 0.95
