"""The share of a sample's counts that is ambient RNA, as SoupX estimates it from its clusters.

Source: Young and Behjati, GigaScience 2020. A cluster marker that is plentiful in the ambient RNA
shows in the clusters that do not express it only as contamination: its counts there over those
expected if all were ambient are the share. Written from the paper and the documented parameters of
the package (``autoEstCont``, ``quickMarkers``, ``estimateNonExpressingCells``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import false_discovery_control, gamma, hypergeom, poisson

Floats = NDArray[np.float64]


TFIDF, MARKER_FDR = 1.0, 0.01
"""Least specificity of a marker, and its largest false discovery rate."""
SOUP_QUANTILE, MOST_MARKERS = 0.9, 100
"""Markers are among the genes above this quantile of the ambient profile; at most so many of
them."""
LOWEST, HIGHEST = 0.01, 0.8
"""Range of the estimate."""
EXPRESSING_FDR = 0.2
"""A cell expresses a gene if at this rate it holds more than `HIGHEST` could explain."""
PRIOR_MODE, PRIOR_SHAPE = 0.05, 1.16
"""Gamma prior of the share. The package states a standard deviation of 0.1; this is the shape that
it makes of it, a wider prior (0.34), so that its results and these agree."""
STEP = 0.001
FEWEST = 10
"""Fewer pairs of a marker and a cluster than these make a doubtful estimate."""


@dataclass(frozen=True)
class Clustered:
    """A sample's counts by its clusters.

    Parameters
    ----------
    sums
        Counts (clusters x genes).
    detected
        Cells with the gene (clusters x genes).
    n_cells
        Cells of each cluster.
    totals
        Counts of each cluster, over all genes of the sample's matrix.
    """

    sums: Floats
    detected: NDArray[np.int64]
    n_cells: NDArray[np.int64]
    totals: Floats


@dataclass(frozen=True)
class Contamination:
    """An estimate, None if there is none; `note` says why, or what is doubtful.

    `low` and `high` are where the posterior is half as high as at the estimate.
    """

    share: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


def specificity(clustered: Clustered) -> Floats:
    """Return the tf-idf of each gene in each cluster (clusters x genes).

    That is the share of the cluster's cells with the gene, times the logarithm of all cells over
    those with the gene.
    """
    everywhere, sizes = clustered.detected.sum(axis=0), clustered.n_cells
    idf = np.log(sizes.sum() / np.maximum(everywhere, 1))
    return np.asarray(clustered.detected / np.maximum(sizes, 1)[:, None] * idf)


def find_markers(clustered: Clustered, profile: Floats, lowest: float) -> NDArray[np.intp]:
    """Return the genes that are specific to a cluster and plentiful in the ambient RNA, best first.

    Specific are those with a tf-idf of at least 1 that are more frequent in the cluster by a
    hypergeometric test (Benjamini and Hochberg's rate over all genes, those with a lower tf-idf
    taken for 1, so that they need no test).

    Parameters
    ----------
    clustered
        Counts by cluster.
    profile
        Share of each gene in the ambient RNA.
    lowest
        Share that a gene must exceed.
    """
    tfidf, detected = specificity(clustered), clustered.detected
    rows, genes = np.nonzero(tfidf >= TFIDF)
    p_values = np.ones(tfidf.shape)
    n_cells, everywhere = int(clustered.n_cells.sum()), detected.sum(axis=0)
    p_values[rows, genes] = hypergeom.sf(
        detected[rows, genes] - 1, n_cells, everywhere[genes], clustered.n_cells[rows]
    ).clip(0, 1)
    fdr = false_discovery_control(p_values, axis=1, method="bh")
    best = np.where((fdr < MARKER_FDR) & (profile > lowest), tfidf, 0).max(axis=0)
    order = np.argsort(-best, kind="stable")[:MOST_MARKERS]
    return np.asarray(order[best[order] >= TFIDF])


def non_expressing(
    counts: NDArray[np.int64], totals: Floats, clusters: NDArray[np.intp], profile: Floats
) -> NDArray[np.bool_]:
    """Return which clusters hold no cell that expresses a gene, by a test.

    Parameters
    ----------
    counts
        Counts of the markers (cells x markers).
    totals
        Counts of each cell.
    clusters
        Cluster of each cell, 0 to n - 1.
    profile
        Share of each marker in the ambient RNA.

    Returns
    -------
    Clusters x markers. Poisson's test of a cell, whether `HIGHEST` of its counts could be ambient
    and hold so many of the gene, with Benjamini and Hochberg's rate over the cells of the sample.
    """
    found = np.ones((int(clusters.max()) + 1, counts.shape[1]), dtype=bool)
    for place, share in enumerate(profile):
        p_values = poisson.sf(counts[:, place] - 1, totals * HIGHEST * share)
        expressing = false_discovery_control(p_values, method="bh") < EXPRESSING_FDR
        found[np.unique(clusters[expressing]), place] = False
    return found


def posterior_mode(observed: Floats, expected: Floats) -> tuple[float, float, float]:
    """Return the share where the mean posterior of all pairs is highest, and its half width.

    Counts of a pair are Poisson about share x `expected` (its counts if all were ambient); the
    share's prior is gamma. The posteriors' densities are summed, not multiplied: a pair that is not
    as it should be, such as a cluster that does express the gene, widens the sum and does not move
    it.

    Parameters
    ----------
    observed, expected
        Of each pair of a marker and a cluster that does not express it.

    Returns
    -------
    The mode, and between which shares the density is at least half as high.
    """
    scale = PRIOR_MODE / (PRIOR_SHAPE - 1)
    shares = np.arange(LOWEST, HIGHEST + STEP / 2, STEP)
    shapes, scales = PRIOR_SHAPE + observed, scale / (1 + scale * expected)
    # Of logarithms: of a pair with many counts the density itself is 0 but at its very mode.
    density = logsumexp(gamma.logpdf(shares[:, None], shapes, scale=scales), axis=1)
    half = shares[density >= density.max() - np.log(2)]
    mode, low, high = shares[density.argmax()], half[0], half[-1]
    return round(float(mode), 3), round(float(low), 3), round(float(high), 3)


def estimate(
    clustered: Clustered, profile: Floats, markers: NDArray[np.intp], silent: NDArray[np.bool_]
) -> Contamination:
    """Return the ambient share of a sample's counts.

    Parameters
    ----------
    clustered
        Counts by cluster.
    profile
        Share of each gene in the ambient RNA.
    markers
        Genes from :func:`find_markers`.
    silent
        Which clusters do not express them (clusters x markers), from :func:`non_expressing`.
    """
    if not len(markers):
        return Contamination(None, note=no_markers(clustered))
    if not silent.any():
        return Contamination(
            None, note="No estimate: every marker is expressed in every cluster, so "
            "ambient counts cannot be recognised."
        )  # fmt: skip
    expected = np.outer(clustered.totals, profile[markers])[silent]
    found = posterior_mode(clustered.sums[:, markers][silent], expected)
    n_pairs = int(silent.sum())
    note = ""
    if n_pairs < FEWEST:
        note = (
            f"Doubtful: only {n_pairs} pairs of a marker and a cluster that does not express it "
            "could be used."
        )
    return Contamination(*found, note=note)


def no_markers(clustered: Clustered) -> str:
    """Return why there is no estimate without markers."""
    if len(clustered.n_cells) < 2:
        return "No estimate: several clusters are needed, and all cells of the sample are in one."
    return "No estimate: no gene is both specific to a cluster and plentiful in the empty droplets."
