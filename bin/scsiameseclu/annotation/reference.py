"""Cell types from a labelled reference, in addition to those from markers.

The model is logistic regression in the reference's principal components.

The group's cells are projected onto the principal components of the reference (over the genes that
both have); a multinomial logistic regression there, with its probabilities calibrated by
cross-validation (Platt 1999), names each cell, and the mean over a cluster's cells names the
cluster.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from numpy.typing import NDArray
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from ..blocks import Matrix, row_blocks, some_of_each
from ..contracts import ONTOLOGY_ID
from ..depth import log_normalize
from ..errors import InputError, quoted
from ..expression.normalize import checked_counts
from ..files import given_h5ad, write_table
from ..steps import Step
from .agreement import UNKNOWN
from .clustered import CLUSTER, clustered
from .ontology import REFERENCE_ID, ids_of_types
from .options import Clustering, Expression, Prefix
from .symbols import gene_symbols, shared_genes

LABEL = "label"
"""Column of ``obs`` with the labels in the reference that :func:`checked_reference` returns."""
COLUMNS = ["cluster", "reference_type", "reference_score", "reference_similarity"]
FEWEST_CELLS = 10
"""A label of the reference with fewer cells is left out."""
FEWEST_GENES = 50
"""Genes that reference and group must share."""
SMALLEST_SCORE = 0.5
"""Mean probability below which a cluster stays unknown."""
SMALLEST_SIMILARITY = 0.3
"""Correlation with the label's mean profile below which a cluster stays unknown: its type is not in
the reference."""
LARGEST = 10.0
"""Standard deviations that a gene counts at most, as in Seurat and scanpy."""
MOST_CELLS = 1000
"""Cells of a label that are used, evenly spaced; more add nothing."""
BLOCK = 10_000
"""Cells whose variable genes are made dense at a time."""
N_TOP_GENES, N_COMPONENTS, FOLDS = 2000, 50, 3


def reference(
    *, prefix: Prefix, expression: Expression, clustering: Clustering, labelled: Path, seed: int = 0
) -> None:
    """Write ``<prefix>.reference.tsv``.

    Its columns are cluster, reference_type, reference_score and reference_similarity, and
    reference_type_ontology_term_id where the reference has ids of the Cell Ontology.

    Parameters
    ----------
    labelled
        The checked reference: raw counts in ``X``, ``obs['label']``.
    seed
        Seed of the cross-validation.
    """
    known = ad.read_h5ad(labelled)
    with clustered(expression, clustering) as adata:
        table = transfer_labels(adata, known, seed=seed)
    if ONTOLOGY_ID in known.obs:
        ids = ids_of_types(known.obs[LABEL], known.obs[ONTOLOGY_ID])
        table[REFERENCE_ID] = table["reference_type"].map(ids)
    write_table(table, f"{prefix}.reference.tsv")


def checked_reference(path: Path, column: str) -> ad.AnnData:
    """Return raw counts and labels of a reference.

    Cells without a label and labels of fewer than 10 cells are left out.

    Of a label with more cells, 1,000 are used, evenly spaced.

    Parameters
    ----------
    path
        ``.h5ad`` with raw counts in ``layers['counts']``, ``X`` or ``raw``: the first that are.
    column
        Column of its ``obs`` with the labels.

    Returns
    -------
    AnnData with ``X`` raw counts (CSR, integer), ``obs['label']`` (categorical) and the symbols as
    names of the genes; ``obs['cell_type_ontology_term_id']`` where the file has it.

    Raises
    ------
    InputError
        If it is not an h5ad file, has no such column, no raw counts, or fewer than two labels of at
        least 10 cells.
    """
    found = _with_column(path, column)
    labels = found.obs[column].astype(object)
    labels = labels.where(labels.notna(), "").astype(str).str.strip()
    sizes = labels[labels != ""].value_counts()
    kept = labels.isin(sizes.index[sizes >= FEWEST_CELLS]).to_numpy()
    if labels[kept].nunique() < 2:
        raise InputError.of(
            what=f"the reference has fewer than two labels of at least {FEWEST_CELLS} cells",
            where=f"{path.name}, obs[{quoted(column)}]",
            remedy="give a reference with several cell types, or another column",
        )
    kept &= some_of_each(labels, MOST_CELLS)
    obs = pd.DataFrame({LABEL: pd.Categorical(labels[kept])}, index=found.obs_names[kept])
    if ONTOLOGY_ID in found.obs:
        obs[ONTOLOGY_ID] = pd.Categorical(found.obs[ONTOLOGY_ID].astype(object)[kept].astype(str))
    counts, symbols = _counts(found, path)
    return ad.AnnData(counts[kept], obs=obs, var=pd.DataFrame(index=symbols.astype(str)))


def _with_column(path: Path, column: str) -> ad.AnnData:
    unreadable = InputError.of(
        what="the reference cannot be read",
        where=path.name,
        remedy="give an .h5ad file as anndata writes it",
    )
    with given_h5ad(unreadable):
        found = ad.read_h5ad(path)
    if column not in found.obs:
        known = ", ".join(map(quoted, found.obs)) or "it has none"
        raise InputError.of(
            what=f"the reference has no column {quoted(column)}",
            where=f"{path.name}, obs",
            remedy=f"name one of its columns with --reference_label: {known}",
        )
    return found


def _counts(found: ad.AnnData, path: Path) -> tuple[sparse.csr_matrix, pd.Index]:
    """Return the raw counts and the symbols of their genes, from wherever in the file they are."""
    places = [(found.layers.get("counts"), found), (found.X, found)]
    if found.raw is not None:
        places.append((found.raw.X, ad.AnnData(var=found.raw.var)))
    for matrix, genes in places:
        with suppress(InputError):
            if matrix is not None:
                return checked_counts(matrix, "the reference"), gene_symbols(genes)
    raise InputError.of(
        what="the reference has no raw counts",
        where=f"{path.name}, layers['counts'], X and raw",
        remedy="give a reference with raw counts: whole numbers that are not negative",
    )


def transfer_labels(adata: ad.AnnData, labelled: ad.AnnData, *, seed: int = 0) -> pd.DataFrame:
    """Return the reference's label of each cluster.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``, ``obs['cluster']``.
    labelled
        From :func:`checked_reference`.
    seed
        Seed of the cross-validation.

    Returns
    -------
    One row per cluster: ``reference_type`` the label of the highest mean probability over its
    cells, ``Unknown`` below 0.5 or where the cluster's mean profile correlates less than 0.3 with
    the label's; ``reference_score`` that probability; ``reference_similarity`` that correlation.

    Raises
    ------
    InputError
        If they share fewer than 50 genes.
    """
    ours, theirs = genes_of_both(adata, labelled)
    known = log_normalized(sparse.csr_matrix(labelled.X)[:, theirs])
    space = _Space.of(known)
    labels = labelled.obs[LABEL].astype(str).to_numpy()
    clusters = pd.Categorical(adata.obs[CLUSTER])
    scores, means = space.place(adata.layers["counts"], ours, clusters.codes)
    names, probabilities = _probabilities(space.scores(known), labels, scores, seed)
    overall = np.bincount(clusters.codes) @ means / len(clusters)
    rows = []
    for k, cluster in enumerate(clusters.categories):
        mean = probabilities[clusters.codes == k].mean(axis=0)
        best = names[int(mean.argmax())]
        profile = space.profile(known[labels == best])
        # The first does not depend on the composition of the group, the second not on technical
        # differences.
        similarity = max(_correlation(means[k], profile), _correlation(means[k] - overall, profile))
        score = float(mean.max())
        sure = score >= SMALLEST_SCORE and similarity >= SMALLEST_SIMILARITY
        named = best if sure else UNKNOWN
        rows.append([str(cluster), named, round(score, 4), round(similarity, 4)])
    return pd.DataFrame(rows, columns=COLUMNS)


def genes_of_both(
    adata: ad.AnnData, labelled: ad.AnnData
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places, in both, of the genes that a group and a reference share.

    Raises an error if they are fewer than 50.
    """
    ours, theirs = shared_genes(adata, labelled.var_names)
    if len(ours) < FEWEST_GENES:
        raise InputError.of(
            what=f"the reference and the group share {len(ours)} genes, and at least "
            f"{FEWEST_GENES} are needed",
            where="genes of the reference, such as "
            f"{', '.join(map(quoted, labelled.var_names[:3]))}; of the group, such as "
            f"{', '.join(map(quoted, adata.var_names[:3]))}",
            remedy="give a reference of the same organism, with gene symbols or Ensembl ids as "
            "the names of its genes",
        )
    return ours, theirs


def log_normalized(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log1p of counts per 10,000 of the genes given, float64."""
    adata = ad.AnnData(counts.astype(np.float64))
    log_normalize(adata)
    return sparse.csr_matrix(adata.X)


@dataclass(frozen=True)
class _Space:
    """Variable genes of the reference, their means and deviations, and its components."""

    genes: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    components: NDArray[np.float64]

    @classmethod
    def of(cls, known: sparse.csr_matrix) -> _Space:
        adata = ad.AnnData(known.copy())
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.filterwarnings(
                "ignore", message="`n_top_genes` > number of normalized dispersions"
            )
            sc.pp.highly_variable_genes(adata, n_top_genes=min(N_TOP_GENES, adata.n_vars))
        dense = known[:, adata.var["highly_variable"].to_numpy()].toarray()
        genes = np.flatnonzero(adata.var["highly_variable"].to_numpy())[dense.std(axis=0) > 0]
        dense = known[:, genes].toarray()
        mean, scale = dense.mean(axis=0), dense.std(axis=0)
        n_components = min(N_COMPONENTS, *(size - 1 for size in dense.shape))
        scaled = np.clip((dense - mean) / scale, -LARGEST, LARGEST)
        return cls(
            genes,
            mean,
            scale,
            sc.pp.pca(scaled, n_comps=n_components, svd_solver="arpack", return_info=True)[1],
        )

    def _scaled(self, X: sparse.csr_matrix) -> NDArray[np.float64]:
        return np.asarray(
            np.clip((X[:, self.genes].toarray() - self.mean) / self.scale, -LARGEST, LARGEST)
        )

    def scores(self, X: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return cells x components."""
        return np.vstack(
            [self._scaled(block) @ self.components.T for _, block in row_blocks(X, BLOCK)]
        )

    def profile(self, X: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return the mean over cells, as differences from that of the reference (genes)."""
        return np.asarray(
            sum(self._scaled(block).sum(axis=0) for _, block in row_blocks(X, BLOCK)) / X.shape[0]
        )

    def place(
        self, counts: Matrix, genes: NDArray[np.int64], codes: NDArray[np.int_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return cells' components, and clusters' mean profiles minus that of the reference.

        `genes` are the places of the reference's genes among the columns, `codes` the clusters.
        """
        sums, scores = np.zeros((codes.max() + 1, len(self.genes))), []
        for cells, block in row_blocks(counts, BLOCK):
            scaled = self._scaled(log_normalized(block[:, genes]))
            np.add.at(sums, codes[cells], scaled)
            scores.append(scaled @ self.components.T)
        return np.vstack(scores), np.asarray(sums / np.bincount(codes)[:, None])


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of two profiles, 0 where one does not vary."""
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else 0.0


def _probabilities(
    known: NDArray[np.float64], labels: NDArray[Any], cells: NDArray[np.float64], seed: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the labels and, cells x labels, their calibrated probabilities."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scale = known.std()
    model = CalibratedClassifierCV(
        LogisticRegression(max_iter=1000, class_weight="balanced"), cv=folds
    )
    model.fit(known / scale, labels)
    return [str(name) for name in model.classes_], np.asarray(model.predict_proba(cells / scale))


STEP = Step(reference, isolate=True)
