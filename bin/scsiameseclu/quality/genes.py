"""Which genes are mitochondrial, ribosomal or of hemoglobin, by symbol and by id.

Symbols of one gene differ between organisms mostly in case, and ids are unique among organisms, so
that one set of rules serves all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..intake.gene_ids import GENOME, without_genome, without_versions
from ..intake.names import words

if TYPE_CHECKING:
    import pandas as pd

# MT-ND1 (human), mt-Nd1 (mouse), mt-nd1 (zebrafish), mt:ND1 (fly), MT.ND1 (as R writes it),
# GRCh38_MT-ND1 (several genomes in one matrix).
_MITOCHONDRIAL_SYMBOL = rf"(?i)^(?:{GENOME})?mt[-.:]"

# As RefSeq, and Ensembl for most vertebrates, name the 13 protein-coding genes, without a prefix.
_MITOCHONDRIAL_REFSEQ = words("ND1 ND2 ND3 ND4 ND4L ND5 ND6 COX1 COX2 COX3 CYTB ATP6 ATP8")
# The 12 of C. elegans, and those of yeast that bear other names than in animals.
_MITOCHONDRIAL_WORM = words("""
    nduo-1 nduo-2 nduo-3 nduo-4 nduo-5 nduo-6 ndfl-4 ctc-1 ctc-2 ctc-3 ctb-1 atp-6
""")
_MITOCHONDRIAL_YEAST = ("COB", "OLI1", "VAR1")
# Names by place: C. elegans (MTCE.11), budding (Q0045) and fission yeast (SPMIT.01), Arabidopsis.
_MITOCHONDRIAL_PLACE = r"^(?:MTCE\.\d+|Q0\d{3}|SPMIT\.\d+|ATMG\d{5}|AtMg\d{5})$"


def _ids_of(**numbers: str) -> frozenset[str]:
    """Return ids with a common prefix by their numbers."""
    return frozenset(
        f"{prefix[: -len(number)]}{number}"
        for prefix, text in numbers.items()
        for number in text.split()
    )


# Of human and mouse the 37 genes of the mitochondrial chromosome: 13 protein-coding, 2 rRNA, 22
# tRNA; of rat, zebrafish, pig and macaque the protein-coding, of worm and fly the rRNA as well.
_MITOCHONDRIAL_IDS = _ids_of(
    ENSG00000000000="""
        198888 198763 198804 198712 228253 198899 198938 198840 212907 198886 198786 198695
        198727 211459 210082 210049 210077 209082 210100 210107 210112 210117 210127 210135
        210140 210144 210151 210154 210156 210164 210174 210176 210184 210191 210194 210195
        210196
    """,
    ENSMUSG00000000000="""
        64336 64337 64338 64339 64340 64341 64342 64343 64344 64345 64346 64347 64348 64349
        64350 64351 64352 64353 64354 64355 64356 64357 64358 64359 64360 64361 64363 64364
        64365 64366 64367 64368 64369 64370 64371 64372 65947
    """,
    ENSRNOG00000000000="""
        30644 31033 34234 30371 33299 31979 30700 33615 31053 29707 29971 29042 31766
    """,
    ENSDARG00000000000="""
        63895 63899 63905 63908 63910 63911 63912 63914 63916 63917 63921 63922 63924
    """,
    ENSSSCG00000000000="""
        18065 18069 18075 18078 18080 18081 18082 18084 18086 18087 18091 18092 18094
    """,
    ENSMMUG00000000000="""
        28699 28695 28689 28686 28684 28683 28682 28680 28678 28677 28673 28672 28670
    """,
    WBGene00000000="""
        829 10957 10958 10959 10960 10961 10962 10963 10964 10965 10966 10967 14454 14472
    """,
    FBgn0000000="""
        13672 13673 13674 13675 13676 13678 13679 13680 13681 13683 13684 13685 13686 13688
        262952
    """,
)

# Proteins of the cytosolic ribosome and their paralogues; neither the kinases (RPS6KA1) nor the
# pseudogenes (RPL23AP7).
_RIBOSOMAL_SYMBOL = rf"(?i)^(?:{GENOME})?RP[SL](?:\d+(?:A1?|X|Y\d)?(?:L\d?)?|P[012]|A)$"

# The same genes of human, 88 as Cell Ranger's hg19 annotation has them.
_RIBOSOMAL_IDS = _ids_of(
    ENSG00000000000="""
        8988 37241 63177 71082 83845 89009 89157 100316 105193 105372 105640 108107 108298
        109475 110700 112306 114391 115268 116251 118181 122026 122406 124614 125691 129824
        130255 131469 134419 136942 137154 137818 138326 140986 140988 142534 142541 142676
        142937 143947 144713 145425 145592 146223 147403 147604 148303 149273 156482 157828
        161016 161970 162244 163584 163682 163923 164587 165496 165502 166441 167526 168028
        170889 171858 171863 172809 174444 174748 177600 177954 182774 182899 184779 185088
        186468 188846 197728 197756 197958 198034 198242 198755 198918 213741 229117 231500
        233927 241343 265681
    """,
)

# The genes of the two globin clusters that make hemoglobin, without pseudogenes; neither HBEGF,
# HBP1 nor HBS1L.
_HEMOGLOBIN = words("""
    HBA1 HBA2 HBB HBD HBE1 HBG1 HBG2 HBM HBQ1 HBZ HBA-A1 HBA-A2 HBA-X HBB-B1 HBB-B2 HBB-BS HBB-BT
    HBB-BH1 HBB-BH2 HBB-Y HBQ1A HBQ1B
""")
# Of mouse Hba-a1, Hba-a2, Hba-x, Hbb-bs, Hbb-bt, Hbb-y, Hbb-bh1.
_HEMOGLOBIN_IDS = _ids_of(
    ENSG00000000000="206172 188536 244734 223609 213931 213934 196565 206177 86506 130656",
    ENSMUSG00000000000="69919 69917 55609 52305 73940 52187 52217",
)


def is_mitochondrial(var: pd.DataFrame) -> np.ndarray:
    """Return which genes lie on the mitochondrial chromosome.

    Parameters
    ----------
    var
        ``AnnData.var`` with symbols in ``gene_symbols`` and ids in ``gene_ids``; the index stands
        in for what is missing.

    Returns
    -------
    Boolean array (genes,): symbols with the prefix ``MT-`` or ``mt:`` in any case, RefSeq's names
    of the 13 protein-coding genes, those of worm and yeast, names by place of worm, yeast and
    Arabidopsis, or the ids of human, mouse (37 genes each), rat, zebrafish, pig, macaque (13 each),
    worm (14) and fly (15); versions are ignored. Where symbols bear the prefix, the ids of genes
    that have another symbol do not count.
    """
    symbols, ids = _names(var, "gene_symbols"), _ids(var)
    prefixed = symbols.str.contains(_MITOCHONDRIAL_SYMBOL, regex=True)
    named = (
        symbols.isin(_MITOCHONDRIAL_REFSEQ + _MITOCHONDRIAL_YEAST)
        | symbols.str.replace(".", "-", regex=False).isin(_MITOCHONDRIAL_WORM)
        | symbols.str.contains(_MITOCHONDRIAL_PLACE, regex=True)
        | ids.str.contains(_MITOCHONDRIAL_PLACE, regex=True)
    )
    by_id = ids.isin(_MITOCHONDRIAL_IDS)
    if prefixed.any():
        by_id &= symbols == _names(var, "gene_ids")
    return np.asarray(prefixed | named | by_id, dtype=bool)


def is_ribosomal(var: pd.DataFrame) -> np.ndarray:
    """Return which genes encode cytosolic ribosomal proteins, by symbol or human Ensembl id.

    Parameters as in :func:`is_mitochondrial`.
    """
    by_symbol = _names(var, "gene_symbols").str.contains(_RIBOSOMAL_SYMBOL, regex=True)
    return np.asarray(by_symbol | _ids(var).isin(_RIBOSOMAL_IDS), dtype=bool)


def is_hemoglobin(var: pd.DataFrame) -> np.ndarray:
    """Return which genes encode hemoglobin chains, by symbol or id, as :func:`is_mitochondrial`."""
    symbols = without_genome(_names(var, "gene_symbols"))
    by_symbol = symbols.str.replace(".", "-", regex=False).str.upper().isin(_HEMOGLOBIN)
    return np.asarray(by_symbol | _ids(var).isin(_HEMOGLOBIN_IDS), dtype=bool)


def _ids(var: pd.DataFrame) -> pd.Series[str]:
    return without_versions(_names(var, "gene_ids"))


def _names(var: pd.DataFrame, column: str) -> pd.Series[str]:
    names = var[column] if column in var else var.index.to_series()
    return names.astype(str).reset_index(drop=True)
