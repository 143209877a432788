"""Gene ids of databases: told from other names, without versions, apart from symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

_ENSEMBL = r"ENS(?:[A-Z]{0,6}G|GR)\d{6,}(?:\.\d+)?(?:_PAR_Y)?"
_JOINABLE = rf"(?:{_ENSEMBL}|FBgn\d{{7}}|WBGene\d{{8}}|ZDB-[A-Z]+-\d{{6}}-\d+)"
"""Ids that cannot be mistaken for the beginning of a symbol."""
_IDS = (
    _JOINABLE,
    r"Y[A-P][LR]\d{3}[WC](?:-[A-Z])?|S0000\d{5}",  # baker's yeast
    r"SP[A-Z]{2,5}\d*[A-Z]?\d*\.\d{2,3}c?",  # fission yeast
    r"C[1-7R]_\d{5}[WC](?:_[AB])?|orf19\.\d+(?:\.\d)?",  # Candida
    r"AT[1-5CM]G\d{5}",  # Arabidopsis
    r"Os\d{2}g\d{7}|LOC_Os\d{2}g\d{5}|Zm\d{5}[a-z]{1,2}\d{6}|GRMZM\d[A-Z]\d{6}",
    r"Glyma\.\d{2}G\d{6}|Solyc\d{2}g\d{6}",
    r"(?:MGI|HGNC|RGD|GeneID|Xenbase|dictyBase|FB|WB|SGD|ZFIN|TAIR):\S+|RGD\d{3,}|XB-GENE\w*-\d+",
    r"DDB_G\d{7}|PF3D7_\w+|PBANKA_\w+|TGME49_\d+|Tb927\.\d+\.\d+",
    r"AGAP\d{6}|AAEL\d{6}|SMESG\d+|AMEX60DD\d+|NVE\d+",
    r"LOC\d{5,}|[NX][MR]_\d{6,}(?:\.\d+)?|ERCC-\d{5}",
)
GENE_ID = re.compile("|".join(f"(?:{ids})" for ids in _IDS), re.IGNORECASE)
"""A gene id of a database, to be matched in full; no cell has such a name."""
_SEPARATOR = r"(?:[|:;,/ ]+|_+|-+)"
_ID_FIRST = re.compile(rf"(?P<id>{_JOINABLE}){_SEPARATOR}(?P<symbol>(?!PAR_Y$).+)")
_ID_LAST = re.compile(rf"(?P<symbol>.+?){_SEPARATOR}(?P<id>{_JOINABLE})")
_VERSION = r"^(ENS(?:[A-Z]{0,6}G|GR)\d{6,})\.\d+(?=$|_PAR_Y$)"


def share_of_gene_ids(names: Sequence[str]) -> float:
    """Return the share of `names` that are gene ids, alone or with a symbol in front or behind."""
    patterns = (GENE_ID, _ID_FIRST, _ID_LAST)
    found = sum(any(pattern.fullmatch(name) for pattern in patterns) for name in names)
    return found / max(len(names), 1)


def without_versions(ids: pd.Series[str]) -> pd.Series[str]:
    """Return Ensembl ids without their versions.

    ``_PAR_Y``, by which GENCODE tells a gene's copy on chromosome Y, stays; so do ids of other
    kinds, where a number behind a dot may be part of the name.
    """
    return ids.str.replace(_VERSION, r"\1", regex=True)


def split_joined(names: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return ids and symbols of names such as ``ENSG00000141510_TP53``; None if most are not such.

    What stands beside the ids must differ from gene to gene: one word beside all is a genome.
    """
    for pattern in (_ID_FIRST, _ID_LAST):
        pairs = [pattern.fullmatch(name) for name in names]
        matches = [match for match in pairs if match]
        symbols = {match["symbol"] for match in matches}
        if 2 * len(matches) > len(names) and 2 * len(symbols) > len(matches) and len(symbols) > 1:
            whole = zip(pairs, names, strict=True)
            parts = [(m["id"], m["symbol"]) if m else (name, name) for m, name in whole]
            return [name for name, _ in parts], [symbol for _, symbol in parts]
    return None
