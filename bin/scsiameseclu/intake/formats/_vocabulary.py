"""Names of columns without counts: genes, cells, and annotation of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache


@lru_cache(maxsize=4)
def plain(name: str) -> str:
    """Return a name in lower case, with one underscore between its words."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _any(*patterns: str) -> Callable[[str], bool]:
    """Return a test of names: whether one is, written plainly, like one of the patterns."""
    found = re.compile("|".join(patterns))
    return lambda name: found.fullmatch(plain(name)) is not None


_COUNTED = r"(counts?|umis?|genes?|features?|reads?|transcripts?|molecules?)"
_SHARE = r"(pct|percent|percentage|perc|frac|fraction|prop|proportion)"
names_genes = _any(
    r"genes?|features?|symbols?|transcripts?|id|names?|accession|orf|bioproducts?|tags?|antibody",
    r"(gene|feature|transcript|target|probe|locus|tracking)_?(ids?|names?|symbols?|tag)",
    r"(external|approved|official|hgnc|mgi|zfin|flybase|wormbase|sgd|tair|rgd|ncbi|refseq|uniprot)"
    r"(_?gene)?(_?(ids?|names?|symbols?|accession))?",
    r"(ensembl|entrez)(_?gene)?(_?ids?)?(_version)?|ensg|ensg_?id",
    r"gene_short_name|geneid_symbol|gene_?code",
)
"""Whether a column of this name holds ids or symbols of genes."""
names_genes_for_sure = _any(
    r"genes?|features?|symbols?|(gene|feature)_?(ids?|names?|symbols?)",
    r"ensembl(_?gene)?(_?ids?)?|bioproducts?|tags?|antibody",
)
"""Whether it holds genes, and not names of anything."""
names_cells = _any(
    r"cells?|(cell_?)?barcodes?|spots?|beads?|nucle(us|i)|droplets?|fov|fov_id|slide_id_numeric",
    r"(cell|spot|bead|nucleus|object|entity|obs|well)"
    r"_?(ids?|names?|barcodes?|index|idx|no|number|key)",
)
"""Whether it holds names or numbers of cells."""
_is_unnamed = _any(r"", r"unnamed_\d+(_\d+)*|index|level_\d+|row_?names?|rownames_.*|column_?1")
_is_unnamed_in_front = _any(r"x|x_1")
_is_of_genes = _any(
    r"chr|chrom|chromosome(_name)?|seq_?names?|seq_?id|contig|start|end|stop|strand|locus|width",
    r"(karyotype_)?band|category|genome|score|frame|n?_?exons?(_?count)?|feature_?types?",
    r"((gene|transcript|exon|cds|eff|effective|median|mean|merged|total)_?)?(length|size)(_bp)?",
    r"(gene|transcript|exon|tss)?_?(start|end|position|pos)(_(position|bp))*",
    r"(gene_?|transcript_?)?(bio)?type|(gene_?)?(description|class|source|version|status)",
    r"(percentage_)?(gene_)?gc_?content|(is_)?highly_variable(_.*)?|vst_.*|means",
    r"(dispersions|variances)(_.*)?|pct_dropout.*",
)
_is_of_cells = _any(
    rf"n_?({_COUNTED}|cells?)(_.*)?",
    rf"(log(1p|10|2)?_?)?(total|number_of|num|sum|mean)_?{_COUNTED}(_.*)?",
    r"log(1p|10|2)?_?n?_?(counts?|genes?|umis?|features?)(_?per_?umi|_.*)?",
    r"(transcript|control_probe|control_codeword|genomic_control|(un|de)\w+_codeword)_?counts?",
    r"(nucleus|umi|read|gene|barcode)_?counts?",
    r"umis?|reads?|depth|(sequencing|seq|read)_depth|coverage|lib(rary)?_?size|size_?factors?",
    rf"{_SHARE}(_\w+)?|\w+_({_SHARE}|ratio|scores?)",
    rf"({_SHARE}_?)?(mito|mt|ribo)_?({_SHARE}|ratio|content|genes?)?",
    r"(seurat_?)?clusters?(_?(ids?|number|label))?|(\w*_)?res_\d\w*|\w*_snn_\w+",
    r"leiden(_.*)?|louvain(_.*)?|k_?means(_.*)?|(orig_|old_|active_)?ident|phase|batch(_?id)?",
    r"(sample|donor|patient|subject|library|plate|mouse|animal)(_?(ids?|names?|no))?",
    r"lane|chip|channel|time(_?points?)?|day|condition|treatment|group|replicate|data_?set|study",
    r"(cell_?)?types?(_[a-z]\w*)?|labels?|annotations?|tissue|organ|organism|species|sex|gender",
    r"age|stage|genotype|strain|project|detected|outlier|discard|is_cell",
    r"(is_|predicted_)?doublets?(_(scores?|class\w*|calls?|prediction|type|prob\w*))?",
    r"scrublet_.*|df_classifications_.*|pann_.*|hto_(max\w*|class\w*|margin|secondary\w*)",
    r"in_tissue|array_(row|col)|pxl_.*|image_?(row|col)|spatial_?\d|tile|slide(_id)?|z_level",
    r"(x|y|z)_(centroid|pos(ition)?|coord\w*|location|px|um|\w+_(px|mm|um))",
    r"(center|coord|min|max|pos)_?(x|y|z)(_.*)?|(x_)?(umap|t_?sne|pca|lsi|harmony|phate)_?\d+",
    r"(cell_|nucleus_)?(area|volume|perimeter)(_(um|px|mm)\d?)?|height|aspect_?ratio",
    r"eccentricity|solidity|circularity|anisotropy|dapi_.*",
    r"(mean|max)_(panck|cd\d+|dapi|membrane\w*|cytokeratin|\w+_stain)",
)
_ARE_SYMBOLS = (
    _any(r".*symbols?|hgnc|mgi"),
    _any(r"gene_?(short_?)?names?|feature_?names?|genes?"),
)
"""What columns of gene symbols are called, in the order of preference."""
is_principal_component = _any(r"pc_?\d+")
"""Whether a column of this name may be a principal component, or a cell: ``PC_1``."""
is_total = _any(
    r"(grand_?)?(totals?|sums?)|(row|col|column)_?sums?|mean|average|avg|median",
    r"total_counts|sum_counts",
)
"""Whether a row or column of this name holds sums or means of the others."""
is_normalized = _any(r"(tpm|[fr]pkm|expected_count|est_counts|num_?reads|effective_?count)s?")
"""Whether a column of this name holds a result of RSEM, Salmon or kallisto."""
_PAIRS = (("x", "y"), ("row", "col"))
"""Names that can be those of genes of the fly, unless both are there."""


def is_unnamed(name: str, *, place: int = 0) -> bool:
    """Return whether a column has no name, or a program's (``Unnamed: 0``, R's ``X``)."""
    name = re.sub(r"^\.\.\.\d+$", "", name)  # as in R's readr
    return _is_unnamed(name) or (place < 2 and _is_unnamed_in_front(name))


def rank_of_symbols(name: str) -> int:
    """Return how far a column of names of genes is from one of symbols, by its name."""
    ranks = (rank for rank, are_symbols in enumerate(_ARE_SYMBOLS) if are_symbols(name))
    return next(ranks, len(_ARE_SYMBOLS))


def is_beside(name: str) -> bool:
    """Return whether a row or column of this name holds other annotation of genes or cells."""
    return _is_of_genes(name) or _is_of_cells(name) or is_total(name)


def side_of(name: str) -> str:
    """Return what a column without counts annotates: ``genes``, ``cells``, or empty."""
    if names_genes(name) or _is_of_genes(name):
        return "genes"
    return "cells" if names_cells(name) or _is_of_cells(name) or plain(name) == "index" else ""


def coordinates(names: Sequence[str]) -> set[int]:
    """Return the places of ``x`` and ``y``, ``row`` and ``col``, where both are there."""
    plained = [plain(name) for name in names]
    return {plained.index(name) for pair in _PAIRS if set(pair) <= set(plained) for name in pair}
