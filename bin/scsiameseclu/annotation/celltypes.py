"""Cell types of clusters from marker sets, ``Unknown`` where the evidence is thin.

Each has a score, a margin, a runner-up and evidence.

The score of a type in a cluster is the weighted mean, over its markers and its ancestors', of the
marker's contrast: +1 where the cluster expresses it most, -1 where it expresses it least of all
clusters, near 0 where the clusters hardly differ. It is judged against two nulls: random genes of
the same expression instead of the markers, and random clusters of the same sizes; the p-values are
adjusted for the number of types, so that they are those of a cluster. A subtype is named only where
its cluster is of one kind: cells that lean to its sibling instead make it the parent's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from ..blocks import Matrix, row_blocks
from ..errors import quoted
from ..files import read_table, settings, write_table
from ..steps import Step
from .agreement import UNKNOWN, with_reference
from .clustered import CLUSTER, PLACED_TYPE, clustered
from .marker_sets import CellType, cell_types_for, check_organism, read_marker_sets
from .ontology import with_ontology_ids
from .options import Clustering, Prefix, Seed
from .pseudobulk import members_of
from .symbols import gene_symbols

COLUMNS = ["cluster", "n_cells", "cell_type", "score", "margin", "runner_up", "evidence", "p_value"]

FEWEST_MARKERS = 2
"""A cell type is considered if at least this many of its markers are among the genes, counted by
Kish's effective number: one of large weight does not count as several."""
NOISE = 0.5
"""Difference of mean log expression at which the contrast is halved: smaller ones are mostly noise
and ambient RNA."""

PRIOR_CELLS = 5
"""Cells of average expression added to each cluster, so that tiny clusters do not set the scale."""
PRIOR_WEIGHT = 1.0
"""Weight of a marker without contrast added to each set, so that small sets do not win by luck."""
LARGEST_P_VALUE = 0.03
SMALLEST_SCORE = 0.25
SMALLEST_MARGIN = 0.1
SUBTYPE_MARGIN = 0.2
"""A subtype must lead the others of its parent by this much, else the parent is named."""
LARGEST_SPREAD = 0.5
"""Spread of a cluster's cells between two subtypes, as a share of the distance between clusters, up
to which one of them is named: at most a fifth of the cells are of the other."""
EVIDENCE_CONTRAST = 0.5
EVIDENCE_GENES = 8
PERMUTATIONS, FEWEST_PERMUTATIONS = 1999, 199
MANY_CELLS = 20_000
"""Of more cells than this, clusters are drawn fewer times in proportion, for each draw takes time
in theirs."""
EXPRESSION_BINS = 20

Array = np.ndarray[Any, Any]


def celltypes(
    *,
    prefix: Prefix,
    expression: Path,
    clustering: Clustering,
    markers_db: Path,
    reference: Path | None = None,
    seed: Seed = 0,
) -> None:
    """Write ``<prefix>.annotation.tsv``.

    Its columns are cluster, n_cells, cell_type, score, margin, runner_up, evidence and p_value.

    With a reference also reference_type, reference_score, reference_similarity and
    reference_agrees. Cells that were placed into an earlier result keep its cell types.
    The last column has the types' ids in the Cell Ontology.

    Parameters
    ----------
    expression
        ``<group>.expression.h5ad``; its settings give the tissue and the organism.
    markers_db
        Marker sets: a folder of TSV files; those for the tissue and the organism are used,
        or the user's own file, which must have sets for the organism.
    reference
        ``<group>.reference.tsv``. Default: no reference was given.
    """
    sets = read_marker_sets(markers_db)
    with clustered(expression, clustering) as adata:
        known = settings(adata)
        organism, tissue = str(known["organism"]), str(known.get("tissue") or "")
        if markers_db.is_file():
            check_organism(sets, organism, markers_db)
        types = cell_types_for(sets, tissue=tissue, organism=organism)
        if PLACED_TYPE in adata.obs:
            table = _of_base(adata)
        elif types:
            table = annotate_clusters(adata, types, seed=seed)
        else:
            table = _unknown(adata, _no_sets(tissue, organism))
    if reference is not None:
        dtype = {"cluster": str, "reference_type": str}
        table = with_reference(table, read_table(reference, dtype=dtype))
    write_table(with_ontology_ids(table, tissue), f"{prefix}.annotation.tsv")


def annotate_clusters(
    adata: ad.AnnData, types: dict[str, CellType], *, seed: int = 0
) -> pd.DataFrame:
    """Return the cell type of each cluster.

    Parameters
    ----------
    adata
        Log-normalised ``X``, in memory or on disk; gene symbols in ``var['gene_symbols']``, else in
        ``var_names``; ``obs['cluster']``.
    types
        Cell types by name, from :func:`~scsiameseclu.annotation.cell_types_for`.
    seed
        Seed of the two permutation tests.

    Returns
    -------
    One row per cluster. ``cell_type`` is the most specific type that the evidence carries, or
    ``Unknown``; ``score`` (at most 1) its mean contrast over its markers and its ancestors';
    ``margin`` the smallest lead in score over a competing type and ``runner_up`` that type (of an
    unknown cluster: the best type's score, its lead, its name); ``evidence`` the markers that speak
    for it, strongest first, or why it is unknown; ``p_value`` the probability of such a score for
    random genes or in random clusters, whichever is larger.
    """
    clusters = pd.Categorical(adata.obs[CLUSTER])
    panel = _panel(types, gene_symbols(adata))
    if len(clusters.categories) < 2:
        return _unknown(adata, "there is only one cluster and nothing to compare it with")
    if not panel.names:
        return _unknown(adata, "hardly any markers of the cell types are among the genes")
    sums, markers = _read_expression(adata.X, panel.genes, clusters.codes)
    rng = np.random.default_rng(seed)
    means = _drawn_means(sums, np.bincount(clusters.codes))
    contrasts = _contrasts(means, means)
    scores = panel.weights @ contrasts[panel.genes]
    by_genes = _p_values_of_genes(panel, contrasts, _gene_bins(sums.sum(axis=0)), rng)
    by_cells = _p_values_of_cells(panel, markers, clusters.codes, means[panel.genes], rng)
    p_values = np.maximum(by_genes, by_cells)
    mixed = _mixed(panel, markers, clusters.codes)
    rows = [
        {"cluster": str(name), "n_cells": int((clusters.codes == k).sum())}
        | _verdict(panel, scores[:, k], float(p_values[k]), contrasts[panel.genes, k], mixed[:, k])
        for k, name in enumerate(clusters.categories)
    ]
    return pd.DataFrame(rows)[COLUMNS]


@dataclass(frozen=True)
class _Panel:
    """The cell types that can be judged with the available genes, and their ancestors.

    ``names`` (types); ``parents`` (types) index of the parent or -1; ``genes`` (markers) columns of
    the expression; ``symbols`` (markers); ``weights`` (types x markers) of a type's own markers,
    rows summing to a little under 1, or to 0 for an ancestor that has hardly any marker among the
    genes; ``path`` (types x types) averages a type with its ancestors, as far as they have markers.
    """

    names: list[str]
    parents: list[int]
    genes: Array
    symbols: list[str]
    weights: Array
    path: Array

    @property
    def judged(self) -> Array:
        """Whether a type has markers of its own (types)."""
        return np.asarray(self.weights.any(axis=1))

    def children(self, parent: int) -> list[int]:
        """Return the types right below one; below -1 the most general ones."""
        return [t for t, above in enumerate(self.parents) if above == parent]

    def scores(self, contrasts: Array) -> Array:
        """Return the score of each type with its ancestors, from markers x clusters.

        Shape: judged types x clusters.
        """
        return np.asarray((self.path @ self.weights)[self.judged] @ contrasts)

    def best_below(self, along: Array, ancestor: int) -> int:
        """Return the best judged type, by its path, among `ancestor` and its descendants."""
        below = [
            t
            for t in range(len(self.names))
            if self.judged[t] and ancestor in _path(self.parents, t)
        ]
        return max(below, key=lambda t: float(along[t]))


def _panel(types: dict[str, CellType], symbols: pd.Index) -> _Panel:
    """Match markers to genes, ignoring case; types with too few remain only as ancestors."""
    where = pd.Series(range(len(symbols)), index=symbols.str.upper())
    where = where[~where.index.duplicated()]
    found = {}
    for name, cell_type in types.items():
        weighted = {gene.upper(): weight for gene, weight in cell_type.genes.items()}
        genes = {gene: weight for gene, weight in weighted.items() if gene in where.index}
        found[name] = genes if _effective_number(genes) >= FEWEST_MARKERS else {}
    needed = {
        relative
        for name, genes in found.items()
        if genes
        for relative in (name, *_ancestors(types, name))
    }
    names = [name for name in types if name in needed]
    parents = [names.index(parent) if (parent := types[name].parent) else -1 for name in names]
    columns = sorted({int(where[gene]) for name in names for gene in found[name]})
    weights = np.zeros((len(names), len(columns)))
    for t, name in enumerate(names):
        for gene, weight in found[name].items():
            weights[t, columns.index(int(where[gene]))] = weight
    weights /= weights.sum(axis=1, keepdims=True) + PRIOR_WEIGHT
    paths = [_path(parents, t) for t in range(len(names))]
    average = np.zeros((len(names), len(names)))
    for t, path in enumerate(paths):
        judged = [above for above in path if weights[above].any()]
        average[t, judged] = 1 / max(len(judged), 1)
    return _Panel(
        names, parents, np.array(columns, dtype=int), list(symbols[columns]), weights, average
    )


def _effective_number(genes: dict[str, float]) -> float:
    """Return how many markers of equal weight these amount to."""
    weights = np.array(list(genes.values()))
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def _ancestors(types: dict[str, CellType], name: str) -> Iterator[str]:
    parent = types[name].parent
    while parent is not None:
        yield parent
        parent = types[parent].parent


def _path(parents: list[int], t: int) -> list[int]:
    """Return a type and its ancestors, the root last."""
    path = [t]
    while parents[path[-1]] >= 0:
        path.append(parents[path[-1]])
    return path


def _read_expression(X: Matrix, genes: Array, codes: Array) -> tuple[Array, sparse.csr_matrix]:
    """Return, as float64, sums of all genes by cluster, and expression of `genes` by cell."""
    n_clusters = codes.max() + 1
    sums, some = np.zeros((n_clusters, X.shape[1])), []
    for cells, block in row_blocks(X):
        sums += (members_of(codes[cells], n_clusters) @ block).toarray()
        some.append(block[:, genes].astype(np.float64))
    return sums, sparse.vstack(some, format="csr")


def _drawn_means(sums: Array, sizes: Array) -> Array:
    """Return genes x clusters: mean expression, drawn a little towards that of all cells."""
    overall = sums.sum(axis=0) / sizes.sum()
    return np.asarray(((sums + PRIOR_CELLS * overall) / (sizes + PRIOR_CELLS)[:, None]).T)


def _contrasts(means: Array, scale: Array) -> Array:
    """Return contrasts, genes x clusters: -1 at the lowest mean of `scale`, +1 at the highest.

    They are near 0 if these hardly differ. The square root puts the zero at a quarter of the range:
    a marker at half of its highest level speaks for the type, since the highest level may be that
    of a subtype, or of the deepest cells, only.
    """
    low, width = scale.min(axis=1, keepdims=True), np.ptp(scale, axis=1, keepdims=True)
    place = np.divide(means - low, width, out=np.zeros_like(means), where=width > 0)
    return np.asarray((2 * np.sqrt(np.maximum(place, 0)) - 1) * width / (width + NOISE))


def _gene_bins(sums: Array) -> Array:
    """Return the bin of each gene: genes by mean expression, in bins of equal size."""
    order = np.argsort(np.argsort(sums, kind="stable"), kind="stable")
    return np.asarray(order * EXPRESSION_BINS // len(sums))


def _p_values_of_genes(
    panel: _Panel, contrasts: Array, bins: Array, rng: np.random.Generator
) -> Array:
    """Return, per cluster, how likely random genes of the same expression score as high."""
    alike = [np.flatnonzero(bins == bin_) for bin_ in bins[panel.genes]]
    draws = np.column_stack([rng.choice(genes, PERMUTATIONS) for genes in alike])
    null = np.stack([panel.scores(contrasts[draw]) for draw in draws])
    return _p_values(null, panel.scores(contrasts[panel.genes]))


def _p_values_of_cells(
    panel: _Panel, markers: sparse.csr_matrix, codes: Array, means: Array, rng: np.random.Generator
) -> Array:
    """Return, per cluster, how likely random ones of its size, on the same scale, do so."""
    sizes = np.bincount(codes)
    few = max(PERMUTATIONS * MANY_CELLS // len(codes), FEWEST_PERMUTATIONS)
    null = []
    for _ in range(min(PERMUTATIONS, few)):
        sums = (members_of(rng.permutation(codes), len(sizes)) @ markers).toarray()
        null.append(panel.scores(_contrasts(_drawn_means(sums, sizes), means)))
    return _p_values(np.stack(null), panel.scores(_contrasts(means, means)))


def _p_values(null: Array, observed: Array) -> Array:
    """Return, per cluster, the p-value of the best type's score.

    Adjusted for the number of types by the smallest p-value among them (Westfall and Young 1993),
    since the scores of small sets scatter more than those of large ones. `null` is draws x types x
    clusters.
    """
    total = 1 + len(null)
    each = (1 + (null >= observed).sum(axis=0)) / total
    best = np.take_along_axis(each, observed.argmax(axis=0)[None], axis=0)
    smallest = (rankdata(-null, method="max", axis=0) / total).min(axis=1)
    return np.asarray((1 + (smallest <= best).sum(axis=0)) / total)


def _mixed(panel: _Panel, markers: sparse.csr_matrix, codes: Array) -> Array:
    """Return whether many cells lean to another child of the type's parent (types x clusters).

    A cell's lean towards a type over another is its weighted expression of the one's markers less
    that of the other's. In a cluster of one kind of cells markers vary independently of each other;
    what the lean varies beyond that is the spread between kinds. If a share q of the cells is of
    the other type, the spread is sqrt(q / (1 - q)) of the distance to a cluster of that type.
    """
    mixed = np.zeros((len(panel.names), codes.max() + 1), dtype=bool)
    for siblings in map(panel.children, range(len(panel.names))):
        judged = [t for t in siblings if panel.judged[t]]
        for one, other in itertools.combinations(judged, 2):
            mean, spread = _leans(markers, panel.weights[one] - panel.weights[other], codes)
            mixed[one] |= spread > LARGEST_SPREAD * (mean - mean.min())
            mixed[other] |= spread > LARGEST_SPREAD * (mean.max() - mean)
    return mixed


def _leans(markers: sparse.csr_matrix, weights: Array, codes: Array) -> tuple[Array, Array]:
    """Return mean and spread, per cluster, of the cells' lean by the weights of the markers."""
    told = np.flatnonzero(weights)
    weighted = markers[:, told].toarray() * weights[told]
    clusters = [weighted[codes == k] for k in range(codes.max() + 1)]
    means = np.array([cells.sum(axis=1).mean() for cells in clusters])
    excess = np.array([cells.sum(axis=1).var() - cells.var(axis=0).sum() for cells in clusters])
    return means, np.sqrt(np.maximum(excess, 0))


def _verdict(
    panel: _Panel, scores: Array, p_value: float, contrasts: Array, mixed: Array
) -> dict[str, Any]:
    """Return the row of one cluster by the types' own scores; `p_value` is of the best one's."""
    along = panel.path @ scores
    # The best type of each family, best first.
    best, *rivals = sorted(
        (panel.best_below(along, root) for root in panel.children(-1)),
        key=lambda t: -float(along[t]),
    )
    score, margin, runner_up = float(along[best]), 1.0, ""
    if rivals:
        margin, runner_up = float(score - along[rivals[0]]), panel.names[rivals[0]]
    if reason := _reason(score, margin, p_value):
        return _row(UNKNOWN, score, margin, panel.names[best], reason, p_value)
    chosen = _path(panel.parents, best)[-1]
    while child := _leading_child(panel, scores, chosen, mixed):
        chosen, lead, second = child
        if lead < margin:
            margin, runner_up = lead, panel.names[second]
    speaker = panel.best_below(along, chosen) if not panel.judged[chosen] else chosen
    weights = panel.weights[_path(panel.parents, speaker)].sum(axis=0)
    evidence = _evidence(panel, weights, contrasts)
    return _row(panel.names[chosen], float(along[speaker]), margin, runner_up, evidence, p_value)


def _leading_child(
    panel: _Panel, scores: Array, parent: int, mixed: Array
) -> tuple[int, float, int] | None:
    """Return the child that leads by enough in most cells, its lead and the second, or None."""
    children = sorted(
        (t for t in panel.children(parent) if panel.judged[t]), key=lambda t: -float(scores[t])
    )
    if not children or scores[children[0]] < SMALLEST_SCORE or mixed[children[0]]:
        return None
    if len(children) == 1:
        return children[0], np.inf, children[0]
    lead = float(scores[children[0]] - scores[children[1]])
    return (children[0], lead, children[1]) if lead >= SUBTYPE_MARGIN else None


def _reason(score: float, margin: float, p_value: float) -> str:
    """Return why a cluster stays unknown, or nothing."""
    if p_value > LARGEST_P_VALUE:
        return f"random genes or random clusters score as high (p = {p_value:.3f})"
    if score < SMALLEST_SCORE:
        return f"no cell type's markers stand out (best score {score:.2f})"
    if margin < SMALLEST_MARGIN:
        return f"two cell types score alike (margin {margin:.2f})"
    return ""


def _evidence(panel: _Panel, weights: Array, contrasts: Array) -> str:
    order = np.argsort(-weights * contrasts, kind="stable")
    genes = [panel.symbols[i] for i in order if weights[i] > 0 and contrasts[i] > EVIDENCE_CONTRAST]
    return ", ".join(genes[:EVIDENCE_GENES])


def _row(
    name: str, score: float, margin: float, runner_up: str, evidence: str, p_value: float
) -> dict[str, Any]:
    return {
        "cell_type": name,
        "score": round(score, 4),
        "margin": round(margin, 4),
        "runner_up": runner_up,
        "evidence": evidence,
        "p_value": round(p_value, 4),
    }


def _unknown(adata: ad.AnnData, reason: str) -> pd.DataFrame:
    """Return the table of clusters that cannot be judged."""
    clusters = pd.Categorical(adata.obs[CLUSTER])
    sizes = np.bincount(clusters.codes, minlength=len(clusters.categories))
    rows = [
        {"cluster": str(name), "n_cells": int(size)}
        | _row(UNKNOWN, np.nan, np.nan, "", reason, np.nan)
        for name, size in zip(clusters.categories, sizes, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_base(adata: ad.AnnData) -> pd.DataFrame:
    """Return the table of cells placed into an earlier result, with that result's cell types."""
    table = _unknown(adata, "taken from the base onto which the cells were mapped")
    types = adata.obs.groupby(CLUSTER, observed=True)[PLACED_TYPE].first()
    return table.assign(cell_type=table["cluster"].map(types).astype(str))


def _no_sets(tissue: str, organism: str) -> str:
    if not tissue:
        return "the samplesheet names no tissue, so no marker sets were chosen"
    return f"there are no marker sets for the tissue {quoted(tissue)} of {organism}"


STEP = Step(celltypes, isolate=True)
