"""Gene ids of databases: recognised, by organism, without versions, apart from symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_UNVERSIONED = r"ENS(?:[A-Z]{0,6}G|GR)\d{6,}"
_ENSEMBL = rf"{_UNVERSIONED}(?:\.\d+)?(?:_PAR_Y)?"
ENSEMBL = re.compile(f"^{_ENSEMBL}$")
"""A gene id of Ensembl, of any species, with or without its version."""
PROBE = re.compile(rf"^({_UNVERSIONED})\|([^|]+)\|\w+$")
"""A probe of 10x Flex or Visium: the id and symbol of its gene, and a number."""
GENOME = "[A-Za-z0-9]+_+"
"""A genome before a gene's name, where the reference holds several: ``GRCh38_MT-ND1``."""
GENOMES = {
    "human": r"(?:GRCh3[78]|hg(?:19|38))(?:[.-][^_]*)?_+",
    "mouse": r"(?:GRCm3[89]|mm(?:9|10|39))(?:[.-][^_]*)?_+",
}
"""Those of two organisms, in any case, such as ``mm10___Xkr4``."""
_YEAST = r"Y[A-P][LR]\d{3}[WC](?:-[A-Z])?"
_ARABIDOPSIS = r"AT[1-5CM]G\d{5}"
_JOINABLE = rf"(?:{_ENSEMBL}|FBgn\d{{7}}|WBGene\d{{8}}|ZDB-[A-Z]+-\d{{6}}-\d+)"
"""Ids that cannot be mistaken for the beginning of a symbol."""
_IDS = (
    _JOINABLE,
    rf"{_YEAST}|S0000\d{{5}}",
    r"SP[A-Z]{2,5}\d*[A-Z]?\d*\.\d{2,3}c?",  # fission yeast
    r"C[1-7R]_\d{5}[WC](?:_[AB])?|orf19\.\d+(?:\.\d)?",  # Candida
    _ARABIDOPSIS,
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
_VERSION = rf"^({_UNVERSIONED})\.\d+(?=$|_PAR_Y$)"
_OF_ORGANISMS = {
    "human": r"ENSG\d",
    "mouse": r"ENSMUSG\d",
    "rat": "ENSRNOG",
    "zebrafish": "ENSDARG|ZDB-GENE-",
    "pig": "ENSSSCG",
    "cow": "ENSBTAG",
    "sheep": "ENSOARG",
    "horse": "ENSECAG",
    "dog": "ENSCAFG",
    "rabbit": "ENSOCUG",
    "macaque": "ENSMMUG|ENSMFAG",
    "marmoset": "ENSCJAG",
    "chimpanzee": "ENSPTRG",
    "chicken": "ENSGALG",
    "frog": "ENSXETG",
    "fly": "FBgn",
    "worm": "WBGene",
    "yeast": rf"{_YEAST}$|Q0\d{{3}}$",
    "Arabidopsis": f"(?i:{_ARABIDOPSIS})",
}
OF_ORGANISMS = {name: re.compile(f"^(?:{ids})") for name, ids in _OF_ORGANISMS.items()}
"""How ids of the organisms that people sequence begin; others of Ensembl are recognised as such,
without a name."""


def share_of_gene_ids(names: Sequence[str]) -> float:
    """Return the share of `names` that are gene ids, alone or with a symbol in front or behind."""
    patterns = (GENE_ID, _ID_FIRST, _ID_LAST)
    found = sum(any(pattern.fullmatch(name) for pattern in patterns) for name in names)
    return found / max(len(names), 1)


def without_versions(ids: pd.Series[str]) -> pd.Series[str]:
    """Return Ensembl ids without their versions.

    ``_PAR_Y``, with which GENCODE marks a gene's copy on chromosome Y, stays; so do ids of other
    kinds, where a number behind a dot may be part of the name.
    """
    return ids.str.replace(_VERSION, r"\1", regex=True)


def without_genome(symbols: pd.Series[str]) -> pd.Series[str]:
    """Return symbols without the genome that Cell Ranger puts before them if there are several."""
    return symbols.str.replace(f"^{GENOME}", "", regex=True)


def split_joined(names: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return ids and symbols of names such as ``ENSG00000141510_TP53``; None if most are not such.

    The part next to the ids must differ from gene to gene: one word for all is a genome.
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
