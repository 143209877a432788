"""Which genes are mitochondrial, ribosomal or of hemoglobin, told by symbol and by Ensembl id.

Human and mouse symbols differ only in case, and ids are unique among organisms, so that one set of rules serves all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# MT-ND1 (human), mt-Nd1 (mouse), MT.ND1 (as R writes it), GRCh38_MT-ND1 (several genomes in one matrix).
_MITOCHONDRIAL_SYMBOL = r"(?i)^(?:[A-Za-z0-9]+_+)?mt[-.]"

# As RefSeq names the 13 protein-coding genes, without a prefix.
_MITOCHONDRIAL_REFSEQ = frozenset(
    ("ND1", "ND2", "ND3", "ND4", "ND4L", "ND5", "ND6", "COX1", "COX2", "COX3", "CYTB", "ATP6", "ATP8")
)

# The 37 genes of the mitochondrial chromosome: 13 protein-coding, 2 rRNA, 22 tRNA.
_HUMAN = (
    *(198888, 198763, 198804, 198712, 228253, 198899, 198938, 198840, 212907, 198886, 198786, 198695, 198727),
    *(211459, 210082),
    *(210049, 210077, 209082, 210100, 210107, 210112, 210117, 210127, 210135, 210140, 210144),
    *(210151, 210154, 210156, 210164, 210174, 210176, 210184, 210191, 210194, 210195, 210196),
)
_MOUSE = (*range(64336, 64362), *range(64363, 64373), 65947)
_MITOCHONDRIAL_IDS = frozenset([f"ENSG{i:011d}" for i in _HUMAN] + [f"ENSMUSG{i:011d}" for i in _MOUSE])

# Proteins of the cytosolic ribosome and their paralogues; neither the kinases (RPS6KA1) nor the pseudogenes (RPL23AP7).
_RIBOSOMAL_SYMBOL = r"(?i)^(?:[A-Za-z0-9]+_+)?RP[SL](?:\d+(?:A1?|X|Y\d)?(?:L\d?)?|P[012]|A)$"

# The same genes of human, 88 as Cell Ranger's hg19 annotation has them.
_RIBOSOMAL_HUMAN = (
    *(8988, 37241, 63177, 71082, 83845, 89009, 89157, 100316, 105193, 105372, 105640, 108107),
    *(108298, 109475, 110700, 112306, 114391, 115268, 116251, 118181, 122026, 122406, 124614, 125691),
    *(129824, 130255, 131469, 134419, 136942, 137154, 137818, 138326, 140986, 140988, 142534, 142541),
    *(142676, 142937, 143947, 144713, 145425, 145592, 146223, 147403, 147604, 148303, 149273, 156482),
    *(157828, 161016, 161970, 162244, 163584, 163682, 163923, 164587, 165496, 165502, 166441, 167526),
    *(168028, 170889, 171858, 171863, 172809, 174444, 174748, 177600, 177954, 182774, 182899, 184779),
    *(185088, 186468, 188846, 197728, 197756, 197958, 198034, 198242, 198755, 198918, 213741, 229117),
    *(231500, 233927, 241343, 265681),
)
_RIBOSOMAL_IDS = frozenset(f"ENSG{i:011d}" for i in _RIBOSOMAL_HUMAN)

# The genes of the two globin clusters that make hemoglobin, without pseudogenes; neither HBEGF, HBP1 nor HBS1L.
_HEMOGLOBIN = frozenset(
    (
        *("HBA1", "HBA2", "HBB", "HBD", "HBE1", "HBG1", "HBG2", "HBM", "HBQ1", "HBZ"),
        *("HBA-A1", "HBA-A2", "HBA-X", "HBB-B1", "HBB-B2", "HBB-BS", "HBB-BT", "HBB-BH1", "HBB-BH2", "HBB-Y"),
        *("HBQ1A", "HBQ1B"),
    )
)
_HEMOGLOBIN_HUMAN = (206172, 188536, 244734, 223609, 213931, 213934, 196565, 206177, 86506, 130656)
# Hba-a1, Hba-a2, Hba-x, Hbb-bs, Hbb-bt, Hbb-y, Hbb-bh1.
_HEMOGLOBIN_MOUSE = (69919, 69917, 55609, 52305, 73940, 52187, 52217)
_HEMOGLOBIN_IDS = frozenset(
    [f"ENSG{i:011d}" for i in _HEMOGLOBIN_HUMAN] + [f"ENSMUSG{i:011d}" for i in _HEMOGLOBIN_MOUSE]
)


def is_mitochondrial(var: pd.DataFrame) -> np.ndarray:
    """Return which genes lie on the mitochondrial chromosome.

    Parameters
    ----------
    var
        ``AnnData.var`` with symbols in ``gene_symbols`` and ids in ``gene_ids``; the index stands in for what is
        missing.

    Returns
    -------
    Boolean array (genes,): symbols with the prefix ``MT-`` in any case, RefSeq's names of the 13 protein-coding
    genes, or the Ensembl ids of the human and murine genes (37 each; versions are ignored).
    """
    symbols = _names(var, "gene_symbols")
    ids = _ids(var)
    by_symbol = symbols.str.contains(_MITOCHONDRIAL_SYMBOL, regex=True) | symbols.isin(_MITOCHONDRIAL_REFSEQ)
    return np.asarray(by_symbol | ids.isin(_MITOCHONDRIAL_IDS), dtype=bool)


def is_ribosomal(var: pd.DataFrame) -> np.ndarray:
    """Return which genes encode cytosolic ribosomal proteins, by symbol or human Ensembl id.

    Parameters as in :func:`is_mitochondrial`.
    """
    by_symbol = _names(var, "gene_symbols").str.contains(_RIBOSOMAL_SYMBOL, regex=True)
    return np.asarray(by_symbol | _ids(var).isin(_RIBOSOMAL_IDS), dtype=bool)


def is_hemoglobin(var: pd.DataFrame) -> np.ndarray:
    """Return which genes encode chains of hemoglobin, by symbol or Ensembl id; see :func:`is_mitochondrial`."""
    symbols = _names(var, "gene_symbols").str.replace(r"^[A-Za-z0-9]+_+", "", regex=True)
    by_symbol = symbols.str.replace(".", "-", regex=False).str.upper().isin(_HEMOGLOBIN)
    return np.asarray(by_symbol | _ids(var).isin(_HEMOGLOBIN_IDS), dtype=bool)


def _ids(var: pd.DataFrame) -> pd.Series[str]:
    return _names(var, "gene_ids").str.replace(r"\.\d+$", "", regex=True)


def _names(var: pd.DataFrame, column: str) -> pd.Series[str]:
    names = var[column] if column in var else var.index.to_series()
    return names.astype(str).reset_index(drop=True)
