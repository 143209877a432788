"""What columns of tables are called that hold no counts: names of genes and cells, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_GENES = re.compile(
    r"genes?|features?|symbols?|transcripts?|(gene|feature|transcript|target|probe|locus|tracking)_?(ids?|names?|symbols?|tag)"
    r"|id|names?|(external|approved|official|hgnc|mgi|zfin|flybase|wormbase|sgd|tair|rgd|ncbi|refseq|uniprot)"
    r"(_?gene)?(_?(ids?|names?|symbols?|accession))?"
    r"|(ensembl|entrez)(_?gene)?(_?ids?)?(_version)?|ensg|ensg_?id|gene_short_name|geneid_symbol|gene_?code|accession|orf"
    r"|bioproducts?|tags?|antibody"
)
_GENES_FOR_SURE = re.compile(
    r"genes?|features?|symbols?|(gene|feature)_?(ids?|names?|symbols?)|ensembl(_?gene)?(_?ids?)?|bioproducts?|tags?|antibody"
)
_CELLS = re.compile(
    r"(cell|spot|bead|nucleus|object|entity|obs|well)_?(ids?|names?|barcodes?|index|idx|no|number|key)|cells?"
    r"|(cell_?)?barcodes?|spots?|beads?|nucle(us|i)|droplets?|fov|fov_id|slide_id_numeric"
)
_UNNAMED = re.compile(r"|unnamed_\d+(_\d+)*|index|level_\d+|row_?names?|rownames_.*|column_?1")
_UNNAMED_IN_FRONT = re.compile(r"x|x_1")
_OF_GENES = re.compile(
    r"chr|chrom|chromosome(_name)?|seq_?names?|seq_?id|contig|start|end|stop|strand|locus|(karyotype_)?band|width"
    r"|((gene|transcript|exon|cds|eff|effective|median|mean|merged|total)_?)?(length|size)(_bp)?"
    r"|(gene|transcript|exon|tss)?_?(start|end|position|pos)(_(position|bp))*|n?_?exons?(_?count)?"
    r"|(gene_?|transcript_?)?(bio)?type|(gene_?)?(description|class|source|version|status)|category|genome|score|frame"
    r"|(percentage_)?(gene_)?gc_?content|feature_?types?|(is_)?highly_variable(_.*)?|vst_.*|means"
    r"|(dispersions|variances)(_.*)?|pct_dropout.*"
)
_OF_CELLS = re.compile(
    r"n_?(counts?|features?|umis?|genes?|reads?|transcripts?|molecules?|cells?)(_.*)?"
    r"|(log(1p|10|2)?_?)?(total|number_of|num|sum|mean)_?(counts?|umis?|genes?|features?|reads?|transcripts?|molecules?)(_.*)?"
    r"|log(1p|10|2)?_?n?_?(counts?|genes?|umis?|features?)(_?per_?umi|_.*)?"
    r"|(transcript|control_probe|control_codeword|genomic_control|(un|de)\w+_codeword|nucleus|umi|read|gene|barcode)_?counts?"
    r"|umis?|reads?|depth|(sequencing|seq|read)_depth|coverage|lib(rary)?_?size|size_?factors?"
    r"|(pct|percent|percentage|perc|frac|fraction|prop|proportion)(_\w+)?|(pct|percent|percentage|frac|fraction)?_?(mito|mt|ribo)"
    r"_?(pct|percent|percentage|frac|fraction|ratio|content|genes?)?"
    r"|\w+_(pct|percent|percentage|frac|fraction|ratio|scores?)"
    r"|(seurat_?)?clusters?(_?(ids?|number|label))?|(\w*_)?res_\d\w*|\w*_snn_\w+|leiden(_.*)?|louvain(_.*)?|k_?means(_.*)?"
    r"|(orig_|old_|active_)?ident|phase|batch(_?id)?|(sample|donor|patient|subject|library|plate|mouse|animal)(_?(ids?|names?|no))?"
    r"|lane|chip|channel|time(_?points?)?|day|condition|treatment|group|(cell_?)?types?(_[a-z]\w*)?|labels?|annotations?|tissue|organ"
    r"|organism|species|sex|gender|age|stage|genotype|strain|replicate|data_?set|study|project"
    r"|(is_|predicted_)?doublets?(_(scores?|class\w*|calls?|prediction|type|prob\w*))?|scrublet_.*|df_classifications_.*|pann_.*|hto_(max\w*|class\w*|margin|secondary\w*)|detected|outlier|discard|is_cell"
    r"|in_tissue|array_(row|col)|pxl_.*|image_?(row|col)|spatial_?\d|tile|slide(_id)?|z_level"
    r"|(x|y|z)_(centroid|pos(ition)?|coord\w*|location|px|um|\w+_(px|mm|um))|(center|coord|min|max|pos)_?(x|y|z)(_.*)?"
    r"|(cell_|nucleus_)?(area|volume|perimeter)(_(um|px|mm)\d?)?|height|aspect_?ratio|eccentricity|solidity|circularity|anisotropy"
    r"|(x_)?(umap|t_?sne|pca|lsi|harmony|phate)_?\d+|(mean|max)_(panck|cd\d+|dapi|membrane\w*|cytokeratin|\w+_stain)|dapi_.*"
)
_SYMBOLS = (re.compile(r".*symbols?|hgnc|mgi"), re.compile(r"gene_?(short_?)?names?|feature_?names?|genes?"))
"""What columns of gene symbols are called, in the order of preference."""
_PRINCIPAL_COMPONENT = re.compile(r"pc_?\d+")
_TOTALS = re.compile(
    r"(grand_?)?(totals?|sums?)|(row|col|column)_?sums?|mean|average|avg|median|total_counts|sum_counts"
)
_NORMALIZED = re.compile(r"(tpm|[fr]pkm|expected_count|est_counts|num_?reads|effective_?count)s?")
_PAIRS = (("x", "y"), ("row", "col"))
"""Names that can be those of genes of the fly, unless both are there."""


@lru_cache(maxsize=4)
def plain(name: str) -> str:
    """Return a name in small letters, with one underscore for whatever stands between its words."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def is_unnamed(name: str, *, place: int = 0) -> bool:
    """Return whether a column has no name, or one that a program gave it (``Unnamed: 0``, R's ``X``)."""
    name = re.sub(r"^\.\.\.\d+$", "", name)  # as R's readr has it
    return bool(_UNNAMED.fullmatch(plain(name)) or (place < 2 and _UNNAMED_IN_FRONT.fullmatch(plain(name))))


def names_genes(name: str) -> bool:
    """Return whether a column of this name holds ids or symbols of genes."""
    return bool(_GENES.fullmatch(plain(name)))


def names_genes_for_sure(name: str) -> bool:
    """Return whether a column of this name holds genes, and not names of anything."""
    return bool(_GENES_FOR_SURE.fullmatch(plain(name)))


def rank_of_symbols(name: str) -> int:
    """Return how far a column of names of genes is from one of symbols, by its name."""
    return next((rank for rank, of in enumerate(_SYMBOLS) if of.fullmatch(plain(name))), len(_SYMBOLS))


def names_cells(name: str) -> bool:
    """Return whether a column of this name holds names or numbers of cells."""
    return bool(_CELLS.fullmatch(plain(name)))


def is_total(name: str) -> bool:
    """Return whether a row or column of this name holds sums or means of the others."""
    return bool(_TOTALS.fullmatch(plain(name)))


def is_principal_component(name: str) -> bool:
    """Return whether a column of this name may be a principal component, or a cell: ``PC_1``."""
    return bool(_PRINCIPAL_COMPONENT.fullmatch(plain(name)))


def is_normalized(name: str) -> bool:
    """Return whether a column of this name holds one sample's expression as RSEM, Salmon and kallisto write it."""
    return bool(_NORMALIZED.fullmatch(plain(name)))


def is_beside(name: str) -> bool:
    """Return whether a row or column of this name says something of genes or cells that is no count of a gene."""
    return any(pattern.fullmatch(plain(name)) for pattern in (_OF_GENES, _OF_CELLS, _TOTALS))


def side_of(name: str) -> str:
    """Return of what a column says something that is no count: ``genes``, ``cells``, or empty."""
    if names_genes(name) or _OF_GENES.fullmatch(plain(name)):
        return "genes"
    return "cells" if names_cells(name) or _OF_CELLS.fullmatch(plain(name)) or plain(name) == "index" else ""


def coordinates(names: Sequence[str]) -> set[int]:
    """Return the places of ``x`` and ``y``, ``row`` and ``col``, where both are there."""
    plained = [plain(name) for name in names]
    return {plained.index(name) for pair in _PAIRS if set(pair) <= set(plained) for name in pair}
