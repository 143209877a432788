"""Ids of the Cell Ontology (CL) for the names of cell types.

A name gets an id if ``cell_ontology.tsv`` has it, ignoring case, hyphens and plural;
nothing is guessed from a similar name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from ..contracts import ONTOLOGY_ID
from ..files import read_table
from .marker_sets import canonical_tissue

REFERENCE_ID = "reference_type_ontology_term_id"
"""Column of ``annotation.tsv`` with the id of the reference's cell type."""
TABLE = Path(__file__).with_name("cell_ontology.tsv")
"""``cell_type``, its id and label, and the tissue in which alone the name means that, or none."""
_ID = re.compile(r"CL:\d{7}")


def with_ontology_ids(annotation: pd.DataFrame, tissue: str) -> pd.DataFrame:
    """Return the table of cell types with their ids as its last column.

    Parameters
    ----------
    annotation
        ``<group>.annotation.tsv``; with a reference it has ``reference_type``, and `REFERENCE_ID`
        where the reference has ids.
    tissue
        Tissue of the group, or nothing.

    Returns
    -------
    The table with `ONTOLOGY_ID`, and with a reference `REFERENCE_ID`; None if there is no id.
    """
    known = _names(tissue)
    table = annotation.copy()
    if "reference_type" in table:
        own = table.get(REFERENCE_ID, table["reference_type"].map(lambda _name: None))
        of_reference = {
            normalized(str(name)): str(id_)
            for name, id_ in zip(table["reference_type"], own, strict=True)
            if isinstance(id_, str)
        }
        table[REFERENCE_ID] = _ids(table["reference_type"], {**known, **of_reference})
        known = {**of_reference, **known}
    table[ONTOLOGY_ID] = _ids(table["cell_type"], known)
    return table


def ids_of_types(types: pd.Series[str], ids: pd.Series[str]) -> dict[str, str]:
    """Return type -> id, as far as the cells of a type have one id and no other.

    Parameters
    ----------
    types, ids
        Of each cell; values that are not ids of the Cell Ontology do not count.
    """
    known = [isinstance(id_, str) and bool(_ID.fullmatch(id_)) for id_ in ids]
    # Cells may share a name: they are distinguished by position.
    of_types = types.astype(str).to_numpy()[known]
    found = ids.astype(object)[known].groupby(of_types).unique()
    return {str(name): str(of[0]) for name, of in found.items() if len(of) == 1}


def are_one_type(one: str, other: str) -> bool:
    """Return whether both names have one id, in any tissue."""
    first, second = _ids([one, other], _names(""))
    return first is not None and first == second


def normalized(name: str) -> str:
    """Return a name without capitals, hyphens, underscores, plural and further spaces.

    A hyphen that ends a word is a minus, as in CD4-.
    """
    words = re.sub(r"_|[-\u2010-\u2015](?=\w)", " ", name).casefold().split()
    return " ".join(word.removesuffix("s") for word in words)


def _ids(names: Iterable[object], known: Mapping[str, str]) -> list[str | None]:
    return [known.get(normalized(str(name))) for name in names]


@cache
def _names(tissue: str) -> dict[str, str]:
    """Return normalized name -> id, in a tissue; labels of the ontology are names, too."""
    table = read_table(TABLE, dtype=str).fillna("")
    everywhere = table[table["tissue"] == ""]
    there = table[(table["tissue"] != "") & (table["tissue"] == canonical_tissue(tissue))]
    return {
        normalized(str(name)): str(id_)
        for rows, column in (
            (table, "cell_type_ontology_label"),
            (everywhere, "cell_type"),
            (there, "cell_type"),
        )
        for name, id_ in zip(rows[column], rows[ONTOLOGY_ID], strict=True)
    }
