"""Cell types of single cells by SingleR (Aran et al. 2019), written anew from the paper.

A cell is compared with profiles of every type of a labelled reference by Spearman correlation over
the genes that distinguish the types; a type's score is a high quantile of the correlations with its
profiles. Types whose score is close to the best are compared once more over the genes that tell
these apart, and so on, until one is left or none is dropped.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..blocks import row_blocks
from ..errors import InputError
from .reference import LABEL, genes_of_both, log_normalized

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


QUANTILE, CLOSE = 0.8, 0.05
"""A type's score among its correlations, and how far below the best a type stays in question."""
MARKERS = 500
"""Genes of a pair of types, times (2/3)^log2(number of types)."""
BLOCK = 2_000
"""Cells that are made dense at a time."""
N_COMPONENTS = 20
"""Principal components in which the cells of a type are joined to profiles."""


def singler_types(adata: ad.AnnData, labelled: ad.AnnData, *, seed: int = 0) -> pd.DataFrame:
    """Return the reference's type of each cell.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']`` (cells x genes), in memory or on disk.
    labelled
        From :func:`~scsiameseclu.annotation.reference.checked_reference`.
    seed
        Seed of the k-means that joins cells of the reference to profiles.

    Returns
    -------
    One row per cell, by name: ``type``; ``score``, the .8 quantile of its correlations with the
    type's profiles over all marker genes; ``delta``, the lead over the second type when it was
    last compared.

    Raises
    ------
    InputError
        If they share fewer than 50 genes, or no gene distinguishes the types.
    """
    ours, theirs = genes_of_both(adata, labelled)
    known = log_normalized(sparse.csr_matrix(labelled.X)[:, theirs])
    types = Types.of(known, labelled.obs[LABEL].astype(str).to_numpy(), seed=seed)
    found = [
        types.classify(block[:, ours[types.genes]].toarray())
        for _, block in row_blocks(adata.layers["counts"], BLOCK)
    ]
    best, score, delta = (np.concatenate(parts) for parts in zip(*found, strict=True))
    columns = {"type": np.array(types.names, dtype=object)[best], "score": score, "delta": delta}
    return pd.DataFrame(columns, index=adata.obs_names)


@dataclass(frozen=True)
class Types:
    """What cells are compared with.

    Parameters
    ----------
    names
        The types.
    genes
        Places of the marker genes.
    profiles
        Log expression (profiles x marker genes).
    codes
        Type of each profile.
    markers
        Whether a gene is higher in the first than in the second (types x types x marker genes).
    """

    names: list[str]
    genes: Integers
    profiles: Floats
    codes: Integers
    markers: Mask

    @classmethod
    def of(cls, known: sparse.csr_matrix, labels: NDArray[np.object_], *, seed: int = 0) -> Types:
        """Return the types of a reference: log expression (cells x genes) and labels of cells."""
        names = sorted(set(labels))
        with threadpool_limits(1):
            profiles = [_profiles(known[labels == name], seed) for name in names]
        medians = np.array([np.median(each, axis=0) for each in profiles])
        pairs = pair_markers(medians)
        genes = np.unique(np.concatenate(list(pairs.values())))
        if len(genes) < 2:
            raise InputError.of(
                what="no gene distinguishes the cell types of the reference",
                where="the reference and the genes that the group shares with it",
                remedy="give a reference with raw counts of whole transcriptomes",
            )
        codes = np.repeat(np.arange(len(names)), list(map(len, profiles)))
        # Of these genes alone: of many types a mask of all is as large as the reference.
        markers = np.zeros((len(names), len(names), len(genes)), dtype=bool)
        for pair, own in pairs.items():
            markers[pair][np.searchsorted(genes, own)] = True
        return cls(names, genes, np.vstack(profiles)[:, genes], codes, markers)

    def scores(self, cells: Floats, some: Integers, genes: Mask) -> Floats:
        """Return cells x some types: their scores over some of the marker genes."""
        of_some = np.isin(self.codes, some)
        ranks = _unit_ranks(self.profiles[of_some][:, genes])
        correlations = _unit_ranks(cells[:, genes]) @ ranks.T
        codes = self.codes[of_some]
        by_type = [np.quantile(correlations[:, codes == k], QUANTILE, axis=1) for k in some]
        return np.column_stack(by_type)

    def classify(self, cells: Floats) -> tuple[Integers, Floats, Floats]:
        """Return type, first score and last lead of each cell (cells x marker genes)."""
        everything = np.arange(len(self.names))
        first = self.scores(cells, everything, np.ones(len(self.genes), dtype=bool))
        best, delta = first.argmax(axis=1), _lead(first)
        kept = first >= first.max(axis=1, keepdims=True) - CLOSE
        n_kept = kept.sum(axis=1)
        undecided = np.flatnonzero((n_kept > 1) & (n_kept < len(self.names)))
        while len(undecided):
            for rows, some in _alike(kept, undecided):
                genes = np.asarray(self.markers[np.ix_(some, some)].any(axis=(0, 1)))
                if genes.sum() < 2:
                    kept[rows] = False
                    continue
                scores = self.scores(cells[rows], some, genes)
                best[rows], delta[rows] = some[scores.argmax(axis=1)], _lead(scores)
                left = scores >= scores.max(axis=1, keepdims=True) - CLOSE
                left[left.all(axis=1)] = False  # none is dropped: the cell is done
                kept[np.ix_(rows, some)] = left
            undecided = undecided[kept[undecided].sum(axis=1) > 1]
        return best, first[np.arange(len(cells)), best], delta


def _alike(kept: Mask, rows: Integers) -> list[tuple[Integers, Integers]]:
    """Return the rows that have the same types in question, and these types."""
    sets, places = np.unique(kept[rows], axis=0, return_inverse=True)
    order = np.argsort(places.ravel(), kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(places.ravel()))[:-1])
    return [(part, np.flatnonzero(of)) for part, of in zip(parts, sets, strict=True)]


def pair_markers(medians: Floats) -> dict[tuple[int, int], Integers]:
    """Return the places of the marker genes of each ordered pair of types, in ascending order.

    The genes of the largest positive differences, fewer of each pair the more types there are.

    Parameters
    ----------
    medians
        Median log expression (types x genes).
    """
    n_types = len(medians)
    most = round(MARKERS * (2 / 3) ** np.log2(n_types))
    found = {}
    for pair in np.ndindex(n_types, n_types):
        higher = medians[pair[0]] - medians[pair[1]]
        order = np.argsort(-higher, kind="stable")[:most]
        found[pair] = np.sort(order[higher[order] > 0])
    return found


def _profiles(cells: sparse.csr_matrix, seed: int) -> Floats:
    """Return about sqrt(n) means of similar cells of a type, dense, as SingleR's authors allow."""
    if not (cells.max(axis=0) - cells.min(axis=0)).count_nonzero():
        return np.asarray(cells[0].toarray())  # alike to the last digit: there are no components
    n_profiles = max(round(np.sqrt(cells.shape[0])), 1)
    n_components = min(N_COMPONENTS, *(size - 1 for size in cells.shape))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # cells that are alike
        places = PCA(n_components, svd_solver="arpack", random_state=seed).fit_transform(cells)
        labels = KMeans(n_profiles, n_init=1, random_state=seed).fit_predict(places)
    means = [cells[labels == label].mean(axis=0) for label in np.unique(labels)]
    return np.vstack([np.asarray(mean) for mean in means])


def _unit_ranks(values: Floats) -> Floats:
    """Return ranks in rows, centered and of length 1; zero if a row does not vary."""
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0))


def _lead(scores: Floats) -> Floats:
    """Return the lead of the best over the second in each row."""
    best = np.sort(scores, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])
