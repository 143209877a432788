"""The benchmark's data sets, prepared for clustering by the pipeline's own functions.

Labels part from the counts here: the expression that a method reads has none.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import InputError, quoted
from ..expression.normalize import normalize
from ..files import write_h5ad
from ..intake.counts import check_counts, to_adata
from ..intake.formats import read_matrix
from ..intake.labels import gold_labels
from ..quality.filter import apply_rules, cell_metrics, choose_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEVELOPMENT = frozenset(
    {
        *("10X_PBMC_top2000", "baron_mouse1", "cellbench", "cite_cbmc", "garnett_pbmc"),
        *("haber_sie", "human_kidney_counts_top2000", "kang8", "macosko_amacrine"),
        *("marques_oligo", "mouse_bladder_cell_top2000", "onek1k_4types", "panc8_200", "paul15"),
        *("pbmc3k", "sc_mixology_sc_dropseq", "triana_bm462", "uncurl_10x400"),
        *("worm_embryo_amphid", "worm_neuron_cell", "zebrafish_blood", "zeisel550"),
    }
)
"""Data sets, by their files' names without endings, that shaped the defaults: reported apart from
the others."""
NO_TYPES = frozenset({"hashed_doublets_chcl"})
"""Files whose labels are not cell types."""
LABELS = {".h5ad": "label", ".h5": "Y"}
"""Where a file of each kind has its gold standard: a column of obs, or an array."""
SIMULATED_TYPES, SIMULATED_GENES = 10, 2000
"""Of the simulated cells."""
SIMULATED_BLOCK = 5000
"""Cells simulated at a time."""


@dataclass(frozen=True)
class Dataset:
    """A labelled data set, ready for the methods.

    Parameters
    ----------
    name
        Name of its file.
    expression
        Normalized expression with its PCA, in a file without any label.
    scores
        ``obsm['X_pca']`` of it, float32, cells x components.
    gold
        Gold standard of its cells; missing if a cell has none.
    n_genes
        Genes that came in.
    digest
        Hexadecimal digits that depend on its counts and gold standard.
    """

    name: str
    expression: Path
    scores: NDArray[np.float32]
    gold: pd.Series[str]
    n_genes: int
    digest: str

    @property
    def n_cells(self) -> int:
        """Cells that are not empty."""
        return len(self.gold)

    @property
    def n_types(self) -> int:
        """Number of different labels: the true number of clusters."""
        return int(self.gold.nunique())

    def about(self) -> dict[str, Any]:
        """Return the columns by which tables of results describe it."""
        sizes = {"cells": self.n_cells, "genes": self.n_genes, "types": self.n_types}
        return {"dataset": self.name, "data": self.digest} | sizes


def labelled_datasets(
    folder: Path, *, scratch: Path, only: Collection[str] = (), leave_out: Collection[str] = ()
) -> list[Dataset]:
    """Prepare the labelled data sets of a folder, smallest first; name those left out on stderr.

    Parameters
    ----------
    folder
        ``.h5ad`` with ``obs['label']`` and ``.h5`` with ``X`` and ``Y``, raw counts.
    scratch
        Folder for the expression files.
    only
        Names of the files to take. Default: all.
    leave_out
        Names of files not to take.

    Raises
    ------
    InputError
        If the folder has no labelled data set, or no file with a given name.
    """
    found = []
    for path in _files(folder, [*only, *leave_out]):
        if (not only or path.name in only) and path.name not in leave_out:
            dataset, why = _read(path, scratch, any_labels=path.name in only)
            if dataset is None:
                print(f"{path.name} is left out: {why}", file=sys.stderr, flush=True)
            else:
                found.append(dataset)
    if not found:
        what = "the folder has no labelled data set"
        remedy = "give a folder with .h5ad files that have obs['label'], or .h5 files with X and Y"
        raise InputError.of(what=what, where=folder, remedy=remedy)
    return sorted(found, key=lambda dataset: (dataset.n_cells, dataset.name))


def _read(path: Path, scratch: Path, *, any_labels: bool) -> tuple[Dataset | None, str]:
    """Return a labelled data set, or None, and why it cannot be used if it cannot."""
    if path.stem in NO_TYPES and not any_labels:
        return None, "its labels are not cell types"
    try:
        return read_dataset(path, scratch=scratch), "no cell has a label"
    except InputError as error:
        return None, error.problems[0].what


def read_dataset(path: Path, *, scratch: Path) -> Dataset | None:
    """Prepare one data set, or return None if it has no labels.

    The steps are the pipeline's (docs/method.md), with its defaults: the counts are read and
    checked, empty cells are dropped and no other, the rest is normalized.
    """
    counts = check_counts(read_matrix(path), path)
    column = LABELS[path.suffix]
    if column not in counts.columns:
        return None
    labels = gold_labels(counts, path, column=column).set_index("barcode")["label"]
    gold = labels.where(labels.str.strip() != "")
    if not gold.notna().any():
        return None
    adata = to_adata(counts, {"sample": path.stem, "group": path.stem})
    return prepare(adata, gold, name=path.name, scratch=scratch)


def prepare(adata: ad.AnnData, gold: pd.Series[str], *, name: str, scratch: Path) -> Dataset:
    """Drop empty cells, normalize, and write ``<name>.expression.h5ad`` into `scratch`."""
    metrics = cell_metrics(adata)
    kept = apply_rules(name, metrics, choose_rules(metrics))["kept"].to_numpy(dtype=bool)
    expression = normalize(adata[kept].copy())
    path = scratch / f"{name}.expression.h5ad"
    write_h5ad(expression, path)
    return dataset_of(name, path, expression, gold[kept], n_genes=adata.n_vars)


def dataset_of(
    name: str, path: Path, expression: ad.AnnData, gold: pd.Series[str], *, n_genes: int
) -> Dataset:
    """Return the data set of a normalized expression that is written to `path`."""
    scores = np.asarray(expression.obsm["X_pca"], dtype=np.float32)
    return Dataset(name, path, scores, gold, n_genes, content_digest(expression, gold))


def content_digest(expression: ad.AnnData, gold: pd.Series[str]) -> str:
    """Return ten hexadecimal digits that are others where a count or a label is another."""
    counts = sparse.csr_matrix(expression.layers["counts"])
    found = hashlib.sha256(
        "\n".join([*expression.var_names, *gold.fillna("").astype(str)]).encode()
    )
    for part in (counts.indptr, counts.indices, counts.data):
        found.update(part.astype("<i8").tobytes())
    return found.hexdigest()[:10]


def simulated_dataset(n_cells: int, *, scratch: Path, seed: int = 0) -> Dataset:
    """Simulate cells of 10 types of unequal sizes and prepare them as if they had been read.

    Counts are Poisson around gamma rates (a negative binomial) of 2,000 genes, of which each type
    changes a tenth; cells differ in depth, with about 1,200 counts in the median.
    """
    rng = np.random.default_rng(seed)
    profiles = simulated_profiles(rng, n_genes=SIMULATED_GENES, depth=1200)
    counts, types = simulated_cells(profiles, n_cells, rng)
    barcodes = pd.Index([f"cell_{i}" for i in range(n_cells)])
    genes = [f"gene_{j}" for j in range(SIMULATED_GENES)]
    var = pd.DataFrame({"gene_ids": genes, "gene_symbols": genes}, index=genes)
    adata = ad.AnnData(counts, obs=pd.DataFrame(index=barcodes), var=var)
    gold = pd.Series([f"type_{t}" for t in types], index=barcodes)
    return prepare(adata, gold, name=f"simulated_{n_cells}", scratch=scratch)


def simulated_profiles(
    rng: np.random.Generator, *, n_genes: int, depth: float
) -> NDArray[np.float64]:
    """Return mean counts, types x genes, `depth` in all.

    A tenth of the genes differs in each type.
    """
    base = rng.lognormal(0, 1.5, n_genes)
    changed = rng.random((SIMULATED_TYPES, n_genes)) < 0.1
    profiles = base * np.exp(changed * rng.normal(0, 1.2, changed.shape))
    return np.asarray(profiles * (depth / profiles.sum(axis=1, keepdims=True)))


def simulated_cells(
    profiles: NDArray[np.float64], n_cells: int, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, NDArray[np.int64]]:
    """Return counts of cells around these profiles, and their types.

    The profiles are types x genes; the first types are more frequent.
    """
    sizes = 0.75 ** np.arange(len(profiles))
    types = rng.choice(len(profiles), n_cells, p=sizes / sizes.sum())
    blocks = [
        _simulated_counts(profiles[types[start : start + SIMULATED_BLOCK]], rng)
        for start in range(0, n_cells, SIMULATED_BLOCK)
    ]
    return sparse.vstack(blocks, format="csr"), types


def _simulated_counts(means: NDArray[np.float64], rng: np.random.Generator) -> sparse.csr_matrix:
    depths = rng.lognormal(0, 0.4, (len(means), 1))
    return sparse.csr_matrix(rng.poisson(rng.gamma(2.0, means * depths / 2.0)).astype(np.int32))


def _files(folder: Path, named: Collection[str]) -> list[Path]:
    if not folder.is_dir():
        what = "the folder of data sets cannot be found"
        raise InputError.of(what=what, where=folder, remedy="give an existing folder with --data")
    files = sorted(path for path in folder.iterdir() if path.suffix in LABELS)
    unknown = sorted(set(named) - {path.name for path in files})
    if unknown:
        what = f"there is no data set {quoted(unknown[0])}"
        there = ", ".join(path.name for path in files) or "none"
        remedy = f"give names of files in the folder: {there}"
        raise InputError.of(what=what, where=folder, remedy=remedy)
    return files
