"""Proteins, hashtags and guides that were counted in the same cells as the genes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..contracts import CAPTURED, GUIDE, HASHTAG, PROTEIN
from ..errors import InputError, listed, quoted
from ..files import settings
from .hashtags import RULES

_REMEDY = (
    "Correct 'hashtags' in the samplesheet: names or ids of features, or patterns such as HTO_*."
)


def parse_hashtags(said: str | None) -> dict[str, str]:
    """Return pattern -> mark of ``HTO_1=control; HTO_2=treated`` or ``HTO_*``.

    An empty mark means the hashtag's own name.
    """
    entries = [entry.partition("=") for entry in re.split("[,;]", said or "") if entry.strip()]
    return {pattern.strip(): label.strip() for pattern, _, label in entries}


def sort_features(adata: ad.AnnData, said: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return the kind of each feature other than genes, and warnings for the verdict.

    Of type Multiplexing Capture all are hashtags, of type Antibody Capture those that are named.
    Where some are named, only these are in use.

    Parameters
    ----------
    adata
        Counts of a sample as intake hands them on, with ``uns['captured']``.
    said
        Which features are hashtags (:func:`parse_hashtags`).

    Returns
    -------
    The table of ``uns['captured']``, with ``kind`` as found here, empty for a hashtag that is not
    in use, and ``label``: what a hashtag marks, of others the name.

    Raises
    ------
    InputError
        If the sample's own row names hashtags that it does not have, or one marks what only calls
        are named.
    """
    features = pd.DataFrame(
        adata.uns.get(CAPTURED, {"name": [], "id": [], "kind": []})
    ).reset_index(drop=True)
    patterns = parse_hashtags(said)
    marks = {pattern: _matching(features, pattern) for pattern in patterns}
    missing = [pattern for pattern, rows in marks.items() if not len(rows)]
    if missing and "hashtags" in settings(adata).get("overrides", {}):
        raise _no_hashtag(adata, features, missing)
    features = features.assign(label=features["name"])
    named = dict.fromkeys(row for rows in marks.values() for row in rows)
    if named:
        features.loc[features["kind"] == HASHTAG, "kind"] = ""
        features.loc[list(named), "kind"] = HASHTAG
        for pattern, rows in reversed(marks.items()):
            if patterns[pattern]:
                features.loc[rows, "label"] = patterns[pattern].replace("/", "_")
    _check_marks(adata, features)
    return features, _unmatched(features, list(named), missing)


def add_captured(
    cells: ad.AnnData, counts: sparse.csr_matrix, features: pd.DataFrame, min_guide_counts: int
) -> None:
    """Add tables of counts and sums to a sample's cells.

    Parameters
    ----------
    cells
        Set are ``obsm['protein']``, ``obsm['hashtag']`` (tags that mark the same added up) and
        ``obsm['guide']``: tables of counts (int32) with names, as far as there are such features;
        ``obs``: ``total_counts_protein``, ``n_proteins_by_counts``, ``total_counts_hashtag``, and
        ``guide`` (names joined by ``|``, missing for none) with ``n_guides``.
    counts
        Counts of the features in these cells.
    features
        From :func:`sort_features`, one row a column of `counts`.
    min_guide_counts
        Fewest counts of a guide for a cell to have it.
    """
    cells.uns.pop(CAPTURED, None)
    for kind in (PROTEIN, HASHTAG, GUIDE):
        rows = np.flatnonzero(features["kind"] == kind)
        if len(rows):
            table = pd.DataFrame(counts[:, rows].toarray(), index=cells.obs_names)
            table.columns = pd.Index(features["label"].iloc[rows].astype(object))
            cells.obsm[kind] = table.T.groupby(level=0, sort=False).sum().T.astype(np.int32)
    if PROTEIN in cells.obsm:
        cells.obs["total_counts_protein"] = cells.obsm[PROTEIN].sum(axis=1)
        cells.obs["n_proteins_by_counts"] = (cells.obsm[PROTEIN] > 0).sum(axis=1)
    if HASHTAG in cells.obsm:
        cells.obs["total_counts_hashtag"] = cells.obsm[HASHTAG].sum(axis=1)
    if GUIDE in cells.obsm:
        found = cells.obsm[GUIDE] >= min_guide_counts
        cells.obs["n_guides"] = found.sum(axis=1)
        cells.obs["guide"] = ["|".join(found.columns[row]) or None for row in found.to_numpy()]


def captured_account(cells: ad.AnnData) -> dict[str, Any]:
    """Return kind -> numbers of kept cells for ``<sample>.qc.json``; empty without features."""
    account: dict[str, Any] = {}
    for kind in (PROTEIN, HASHTAG, GUIDE):
        if kind in cells.obsm and cells.n_obs:
            totals = cells.obsm[kind].sum(axis=1)
            account[kind] = {
                "n_features": cells.obsm[kind].shape[1],
                "median_counts": float(totals.median()),
            }
    if GUIDE in account:
        n_guides = cells.obs["n_guides"]
        account[GUIDE] |= {
            "n_cells_with_none": int((n_guides == 0).sum()),
            "n_cells_with_one": int((n_guides == 1).sum()),
            "n_cells_with_several": int((n_guides > 1).sum()),
        }
    return account


def _matching(features: pd.DataFrame, pattern: str) -> np.ndarray:
    """Return the rows of the features, guides apart, that a pattern names."""
    names = features[["name", "id"]].astype(str)
    exact = (names == pattern).any(axis=1)
    found = exact if exact.any() else names.map(lambda name: fnmatchcase(name, pattern)).any(axis=1)
    return np.flatnonzero(found & (features["kind"] != GUIDE))


def _unmatched(features: pd.DataFrame, named: Sequence[int], missing: Sequence[str]) -> list[str]:
    """Return the warning on names that match nothing where another feature may be meant."""
    others = features.drop(index=list(named)).query("kind != @GUIDE")["name"].tolist()
    if not missing or features.empty or (named and not others):
        return []
    warning = f"No feature is called {listed(missing)} (--hashtags)."
    if named:
        warning += (
            f" If one of the other features is meant ({listed(others)}), correct the name: cells "
            "with a hashtag that is not named count as negative."
        )
    return [warning]


def _check_marks(adata: ad.AnnData, features: pd.DataFrame) -> None:
    """Raise if a hashtag marks ``Doublet`` or ``Negative``, which are names of calls."""
    labels = features.loc[features["kind"] == HASHTAG, "label"]
    taken = labels[labels.isin(list(RULES))]
    if len(taken):
        known: Mapping[str, Any] = settings(adata)
        raise InputError.of(
            what=f"a hashtag of sample {quoted(known['sample'])} marks "
            f"{listed(taken.tolist())}, which is a reserved name",
            where=known["counts"],
            remedy=f"Use another name, such as hashtags 'HTO_1={taken.iloc[0].lower()} control'.",
        )


def _no_hashtag(adata: ad.AnnData, features: pd.DataFrame, missing: Sequence[str]) -> InputError:
    known: Mapping[str, Any] = settings(adata)
    candidates = features.loc[features["kind"] != GUIDE, "name"].tolist()
    there = listed(candidates) if candidates else "none beside genes"
    return InputError.of(
        what=f"no feature of sample {quoted(known['sample'])} is called {listed(missing)}; "
        f"the features are: {there}",
        where=known["counts"],
        remedy=_REMEDY,
    )
