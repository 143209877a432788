"""Names and records that stages hand to each other, each written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Names = TypeVar("Names", "pd.Index", "pd.Series")

BATCH = "batch"
"""Column of the samplesheet and of ``obs``: between samples of one batch nothing is corrected."""
SEX = "sex"
"""Column of the samplesheet and of ``obs``: the donor's, with which the RNA is compared."""
CELL_TYPE, ONTOLOGY_ID = "cell_type", "cell_type_ontology_term_id"
"""Columns of ``annotation.tsv`` and of ``obs``: the cell type, and its id in the Cell Ontology."""
SINGLER_TYPE, CELLTYPIST_TYPE = "singler_type", "celltypist_type"
"""Columns of ``obs`` that are there where these were asked for a second opinion."""
PHASE_SCORES, PHASE, DISSOCIATION = ("S_score", "G2M_score"), "phase", "pct_counts_dissociation"
"""Columns of ``obs`` that are there where cell cycle and dissociation stress were scored."""
S_PHASE, G2M_PHASE, STRESS = "S phase", "G2M phase", "dissociation stress"
"""Names of their gene sets in ``assets/gene_sets`` and in ``cell_scores.json``."""
LABEL = "label"
"""Column of ``obs`` with the gold standard, which only the annotated data of a group have."""
CORRECTED_PCA = "X_pca_corrected"
"""Key of ``obsm`` that is there where batches were corrected."""

CAPTURED = "captured"
"""Key of ``obsm`` (counts, CSR) and ``uns`` (table of name, id and kind) of what was counted beside
genes."""
PROTEIN, HASHTAG, GUIDE = "protein", "hashtag", "guide"
"""Kinds of what is counted beside genes; keys of ``obsm`` with a table of counts once cells are
known."""
CLR = "protein_clr"
"""Key of ``obsm`` with the normalized counts of proteins."""
SOUP_COUNTS = "soup_counts"
"""Column of ``var`` of ``<sample>.soup.h5ad``: counts of each gene in the empty droplets."""
LISTED = "listed"
"""Column of ``obs`` that is there where a list of cells was given: which barcodes are on it."""

OBS_COLUMNS = frozenset(
    {
        *("barcode", "index", "_index"),
        *("n_genes_by_counts", "total_counts", "pct_counts_mt", "pct_counts_ribo", "pct_counts_hb"),
        *("doublet_score", "predicted_doublet"),
        *("total_counts_protein", "n_proteins_by_counts", "total_counts_hashtag"),
        *("hashtag", "guide", "n_guides"),
        *("cluster", "cluster_coarse", "cluster_fine", "cluster_sub", "cluster_uncorrected"),
        *("cluster_confidence", "confidence", "consensus", CELL_TYPE, LABEL, "unlike_known"),
        *(SINGLER_TYPE, CELLTYPIST_TYPE, ONTOLOGY_ID),
    }
)
"""Columns that the pipeline writes, besides the samplesheet's: none of those may have
such a name."""


def cell_names(sample: str | Names, barcodes: Names) -> Names:
    """Return cells' names in a group, ``<sample>_<barcode>``.

    `sample` is one for all, or one for each.
    """
    return sample + "_" + barcodes


def batch_of(sample: Mapping[str, Any]) -> str:
    """Return a sample's batch from its settings: the samplesheet's, by default the sample."""
    return str((sample.get("extra") or {}).get(BATCH) or sample["sample"])


# The records in JSON files. Their fields are part of what users read: docs/output.md explains them.


class ProblemRecord(TypedDict):
    """An :class:`.errors.Problem`."""

    what: str
    where: str
    remedy: str


class FailureRecord(TypedDict):
    """``<id>.<step>.failure.json``: why a sample or group is missing.

    `step` is ``<stage>.<step>``.
    """

    id: str
    step: str
    problems: list[ProblemRecord]


class MistakeRecord(TypedDict):
    """One of ``mistakes.json``, an :class:`.intake.samplesheet.Mistake`."""

    line: int
    path: str | None
    problem: ProblemRecord


class SampleSettings(TypedDict):
    """An entry of ``samples.json``: a sample of the samplesheet."""

    sample: str
    counts: str
    group: str
    n_clusters: int | str
    organism: str | None
    tissue: str | None
    expected_doublet_rate: float | None
    labels: str | None
    overrides: dict[str, Any]
    extra: dict[str, Any]
    cells: NotRequired[str]


class Size(TypedDict):
    """``<id>.size.json``: by it later tasks ask for memory; `n_values` are the nonzero counts.

    `n_captured` is there where proteins, hashtags or guides came with the counts: how many of them.
    `n_droplets` is there where empty droplets did.
    """

    n_cells: int
    n_genes: int
    n_values: int
    n_captured: NotRequired[int]
    n_droplets: NotRequired[int]


class GroupMemory(TypedDict):
    """What the steps on a group may ask for; `warning` is empty if that is not too much."""

    group: str
    n_cells: int
    n_values: int
    needs_mb: dict[str, int]
    warning: str


class SampleMemory(TypedDict):
    """What the steps on a sample may ask for, by the header of its matrix."""

    sample: str
    group: str
    n_barcodes: int
    n_genes: int
    n_stored: int
    n_cells: int
    needs_mb: dict[str, int]
    warning: str
    note: str


class MemoryEstimate(TypedDict):
    """``memory.json``."""

    limit_mb: int | None
    samples: list[SampleMemory]
    groups: list[GroupMemory]


class CellCalling(TypedDict):
    """How the cells of an unfiltered matrix were called; `curve` has ``rank`` and ``counts``."""

    status: str
    lower: int
    fdr: float
    knee: int
    certain: int
    n_tested: int
    n_cells: int
    curve: dict[str, list[int]]


class OrganismRecord(TypedDict):
    """The organism given, and that of the genes; see :class:`.intake.organism.Organism`."""

    given: str | None
    found: str | None
    name: str
    evidence: str
    warning: str


class DoubletSummary(TypedDict):
    """What was found of doublets; `histogram` has ``edges``, ``observed`` and ``simulated``."""

    status: Literal["automatic", "manual", "expected_rate", "skipped"]
    expected_rate: float
    threshold: float | None
    n_predicted: int
    detected_rate: float
    histogram: dict[str, list[float]]
    note: str


class HashtagSummary(TypedDict):
    """Cells of a hashed pool; `n_cells` by hashtag."""

    n_cells: dict[str, int]
    n_doublets: int
    n_negatives: int


class SexRecord(TypedDict):
    """Sex given, and called from the RNA; `cells_...` and `counts_...` are shares of the sample's.

    None: the genes are not in the matrix. `note`: why nothing was called, or what to check.
    """

    given: str | None
    call: str
    note: str
    n_y_genes: int
    cells_xist: float | None
    cells_y: float | None
    cells_both: float | None
    counts_xist: float | None
    counts_y: float | None


class QualitySummary(TypedDict):
    """``<sample>.qc.json``; the last ones are missing if the filter left no cell."""

    sample: str
    group: str
    status: Literal["ok", "failed"]
    format: str
    n_barcodes: int
    n_kept: int
    removed: dict[str, int]
    cell_calling: CellCalling | None
    thresholds: dict[str, float | None]
    overrides: dict[str, Any]
    organism: OrganismRecord | None
    species: dict[str, int] | None
    warnings: list[str]
    notes: list[str]
    n_genes: NotRequired[int]
    median_genes: NotRequired[float | None]
    median_counts: NotRequired[float | None]
    median_pct_mt: NotRequired[float | None]
    doublets: NotRequired[DoubletSummary]
    doublet_action: NotRequired[str]
    captured: NotRequired[dict[str, Any]]
    hashtags: NotRequired[HashtagSummary]
    sex: NotRequired[SexRecord | None]


class ExpressionSummary(TypedDict):
    """``<group>.expression.json``: how the group's expression was normalized."""

    genes: str
    n_genes_in: int
    n_genes: int
    min_cells_per_gene: int
    n_top_genes: int
    n_pcs: int
    target_sum: float
    seed: int
    notes: list[str]


class BatchDecision(TypedDict):
    """Whether batches were corrected and why: :class:`.clustering.consensus.guard.Judgement`."""

    requested: str
    corrected: bool
    reason: str
    n_batches: int
    need: float | None
    validity: float | None
    shared: float | None
    cluster_agreement: NotRequired[dict[str, float]]


class Merge(TypedDict):
    """A merge of two nodes of the dendrogram."""

    nodes: list[int]
    co_association: float


class DendrogramRecord(TypedDict):
    """The dendrogram; of each leaf its ``n_cells`` and its cluster at each level."""

    leaves: list[dict[str, int]]
    merges: list[Merge]
    stability: list[float]


class PlacementRecord(TypedDict):
    """How cells were placed into an earlier result."""

    n_unlike_known: int
    n_variable_genes: int
    n_shared_genes: int
    mean_confidence: float


class Clusters(TypedDict):
    """Summary of a group's clusters; without a dendrogram for mapped cells."""

    n_clusters: int
    n_clusters_requested: int | str
    stability_ari: float | None
    cluster_stability: dict[str, float]
    levels: dict[str, int]
    cuts: NotRequired[dict[str, float | None]]
    dendrogram: NotRequired[DendrogramRecord]
    limits: NotRequired[dict[str, float]]
    batch_correction: BatchDecision | None
    placement: NotRequired[PlacementRecord]
    method: str
    notes: list[str]


class Cost(TypedDict):
    """What a clustering took."""

    device: str
    seconds: float
    peak_memory_mb: float


class ClusteringSummary(Clusters, Cost):
    """``<group>.clustering.json``."""


class Scores(TypedDict):
    """Scores of clusters; the last three with a gold standard, None if no cell has a label."""

    n_clusters: int
    silhouette: float | None
    acc: NotRequired[float | None]
    nmi: NotRequired[float | None]
    ari: NotRequired[float | None]


class ClusterMarkers(TypedDict):
    """The gold type of a cluster, and the share of its markers that are among the type's."""

    label: str | None
    share: float | None


class MarkerAgreement(TypedDict):
    """How far clusters' markers are those of their gold types; see :mod:`.evaluation.scores`."""

    top_n: int
    mean: float | None
    clusters: dict[str, ClusterMarkers]


class Metrics(Scores, Cost):
    """``<group>.metrics.json``; the last two with a gold standard."""

    n_cells: int
    n_genes: int
    stability_ari: float | None
    comparison: dict[str, Scores]
    agreement: dict[str, dict[str, float]]
    n_labelled: NotRequired[int]
    marker_agreement: NotRequired[MarkerAgreement]


class Mixing(TypedDict):
    """How well batches mix, before and after their correction, in all or one of the cell types."""

    cell_type: NotRequired[str]
    n_cells: int
    n_batches: int
    ilisi_before: float | None
    clisi_before: float | None
    over_expected_before: float | None
    ilisi_after: float | None
    clisi_after: float | None
    over_expected_after: float | None


class MixingSummary(TypedDict):
    """``<group>.mixing.json``."""

    n_batches: int
    all: Mixing
    cell_types: list[Mixing]


class DifferentialSummary(TypedDict):
    """``<group>.differential_expression.json``; `notes`: what was not tested, and the reasons."""

    condition: str
    formula: str | None
    notes: list[str]
