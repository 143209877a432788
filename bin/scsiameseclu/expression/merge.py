"""Join the samples of a group into one matrix of raw counts over the genes that they share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata as ad
import pandas as pd
from scipy import sparse

from ..errors import InputError, quoted
from ..files import set_settings, settings
from ..intake.gene_ids import without_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTES = "expression"
"""Key of ``AnnData.uns`` that holds, as JSON text, what this stage did and what the reader should know."""

MIN_SHARED = 0.5
"""Least share of the smallest sample's genes that all samples must have in common."""

RESERVED = frozenset(
    (
        "sample",
        "barcode",
        "group",
        "n_genes_by_counts",
        "total_counts",
        "pct_counts_mt",
        "pct_counts_ribo",
        "pct_counts_hb",
        "doublet_score",
        "predicted_doublet",
        "cluster",
        "cluster_confidence",
        "consensus",
        "confidence",
        "cell_type",
        "index",
        "_index",
    )
)
"""Columns of ``obs`` that are ours; a samplesheet's column of the same name gets the prefix ``samplesheet_``."""


def merge(samples: Sequence[ad.AnnData], *, group: str) -> ad.AnnData:
    """Return the cells of all samples over their common genes.

    Genes are matched by id, without the versions of Ensembl's, where every sample has unique ids and that finds no
    fewer of them, else by name; genes of one name are told apart by their ids, too. Samples are put in the order of
    their ids, whatever the order given; names of genes are those of the first.

    Parameters
    ----------
    samples
        Raw counts in ``X`` (cells x genes), ``var['gene_ids']``, ``var['gene_symbols']``, ``uns['settings']`` of the
        sample.
    group
        Id of the group.

    Returns
    -------
    ``X`` raw counts (integer CSR); ``obs_names`` ``<sample>_<barcode>``; ``obs['sample']``, the samples' own columns,
    and the extra columns of the samplesheet as text; ``uns['settings']`` of the group; ``uns['expression']`` JSON
    with ``notes``.

    Raises
    ------
    InputError
        If the samples share fewer than half of the genes of the smallest one, or two cells get the same name.
    """
    samples = sorted(samples, key=lambda sample: settings(sample)["sample"])
    rows = [settings(sample) for sample in samples]
    aligned, notes = _share_genes(samples, group)
    columns, column_notes = _extra_columns(rows)
    obs = pd.concat([_cells(sample, row, columns) for sample, row in zip(aligned, rows, strict=True)])
    _check_names(obs.index, group)
    merged = ad.AnnData(
        sparse.vstack([sample.X for sample in aligned], format="csr"), obs=obs, var=aligned[0].var.copy()
    )
    set_settings(merged, _group_settings(group, rows))
    merged.uns[NOTES] = json.dumps(
        {"notes": [*_gene_notes(samples, merged.n_vars), *notes, *column_notes]}, ensure_ascii=False
    )
    return merged


def _share_genes(samples: Sequence[ad.AnnData], group: str) -> tuple[list[ad.AnnData], list[str]]:
    """Return the samples over their common genes, in the order of the first, and notes."""
    by_id = [pd.Index(without_versions(sample.var["gene_ids"].astype(str))) for sample in samples]
    by_name, n_alike = _by_name(samples)
    names = max((by_id, by_name), key=lambda keys: len(_common(keys)) if all(k.is_unique for k in keys) else -1)
    common = _common(names)
    smallest = min(samples, key=lambda sample: sample.n_vars)
    if len(common) < MIN_SHARED * smallest.n_vars:
        raise InputError.of(
            what=f"the {len(samples)} samples of group {quoted(group)} have {len(common)} genes in common, "
            f"fewer than half of the {smallest.n_vars} of sample {quoted(settings(smallest)['sample'])}",
            where=f"column 'group' of the samplesheet, group {quoted(group)}",
            remedy="give samples of different organisms, annotations or gene panels different groups, "
            "or name their genes alike",
        )
    notes = []
    if n_alike and names is by_name:
        notes.append(f"{n_alike} genes have the name of another and no id that tells them apart; they are left out.")
    return [sample[:, keys.get_indexer(common)] for sample, keys in zip(samples, names, strict=True)], notes


def _by_name(samples: Sequence[ad.AnnData]) -> tuple[list[pd.Index[str]], int]:
    """Return keys of the genes by symbol, and how many genes of one sample, at most, no key of another can match.

    Which of several genes of one symbol is which is told by their ids, or by their order if all samples have the same
    genes in the same order.
    """
    symbols = [sample.var["gene_symbols"].astype(str) for sample in samples]
    repeated = {symbol for of_sample in symbols for symbol in of_sample[of_sample.duplicated()]}
    same_order = all(list(of_sample) == list(symbols[0]) for of_sample in symbols)
    keys, n_alike = [], 0
    for number, (sample, of_sample) in enumerate(zip(samples, symbols, strict=True)):
        ids = without_versions(sample.var["gene_ids"].astype(str))
        key = of_sample.where(~of_sample.isin(repeated), of_sample + "\n" + ids)
        alike = key.duplicated(keep=False)
        places = pd.Series(range(len(key)), index=key.index).astype(str)
        key = key.mask(alike, ("" if same_order else f"{number}") + "\n" + places)
        keys.append(pd.Index(key))
        n_alike = max(n_alike, 0 if same_order else int(alike.sum()))
    return keys, n_alike


def _common(keys: Sequence[pd.Index[str]]) -> pd.Index[str]:
    """Return the genes that all have, in the order of the first."""
    common = keys[0]
    for other in keys[1:]:
        common = common[common.isin(other)]
    return common


def _gene_notes(samples: Sequence[ad.AnnData], n_common: int) -> list[str]:
    largest = max(sample.n_vars for sample in samples)
    if n_common == largest:
        return []
    return [f"The samples have {n_common} genes in common, of up to {largest} in one sample; the others are left out."]


def _cells(sample: ad.AnnData, row: dict[str, Any], columns: dict[str, str]) -> pd.DataFrame:
    """Return the observations of a sample under their final names."""
    obs: pd.DataFrame = sample.obs.copy()
    obs.index = row["sample"] + "_" + obs.index.astype(str)
    obs.insert(0, "sample", row["sample"])
    for column, name in columns.items():
        obs[name] = row["extra"].get(column)
    return obs


def _extra_columns(rows: list[dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Return the name in ``obs`` of each extra column of the samplesheet, and a note for each that differs."""
    names: dict[str, str] = {}
    for column in dict.fromkeys(column for row in rows for column in row["extra"]):
        # HDF5 takes a slash for a folder.
        name = column.replace("/", "_")
        while name in RESERVED or name in names.values():
            name = f"samplesheet_{name}"
        names[column] = name
    return names, [
        f"Column {quoted(column)} of the samplesheet is {quoted(name)} in the result, where its name is taken."
        for column, name in names.items()
        if name != column
    ]


def _check_names(names: pd.Index[str], group: str) -> None:
    if names.is_unique:
        return
    double = names[names.duplicated()][0]
    raise InputError.of(
        what=f"two cells of group {quoted(group)} get the same name <sample>_<barcode>: {quoted(double)}",
        where=f"column 'sample' of the samplesheet, group {quoted(group)}",
        remedy="rename one of the samples so that no sample's name begins with another's and an underscore",
    )


def _group_settings(group: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    shared = {key: rows[0][key] for key in ("n_clusters", "organism", "tissue")}
    return {"group": group, **shared, "samples": rows}
