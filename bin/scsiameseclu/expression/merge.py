"""Join a group's samples into one matrix of raw counts over shared, or all, genes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
from anndata.utils import make_index_unique
from numpy.typing import NDArray
from scipy import sparse

from ..blocks import Matrix, row_blocks
from ..contracts import BATCH, batch_of, cell_names
from ..errors import InputError, Problem, quoted
from ..files import set_settings, settings
from ..intake.gene_ids import without_versions

Keys: TypeAlias = "pd.Index[str]"


Genes = Literal["inner", "outer"]
MEASURED = "in_all_samples"
"""Column of ``var`` where genes of any sample are joined: whether every sample was measured for the
gene."""
NOTES = "expression"
"""Key of ``AnnData.uns`` that holds, as JSON text, this stage's account and notes for users."""

MIN_SHARED = 0.5
"""Least share of the smallest sample's genes that all samples must have in common."""
_AMBIGUOUS = "\n\n"
"""How the key of a gene begins that no key of another sample can match."""
_NAMED = 5
_WORTH_NAMING = 0.05


def unlike(samples: Sequence[ad.AnnData], *, group: str) -> dict[str, Problem]:
    """Return the samples whose genes differ from those of the others, each with its problem.

    The group's genes are those of more than half of its samples. A sample differs if it has
    fewer than half of them, or of its own genes if it has fewer. If that is half of the
    samples or more, or one of two, it is unclear which are wrong: none is returned, and
    :func:`merge` rejects the group.
    """
    if len(samples) < 3:
        return {}
    keys = _keys(samples, _majority)[0]
    shared = _majority(keys)
    counts = {
        _name(sample): (len(own.intersection(shared)), len(own))
        for sample, own in zip(samples, keys, strict=True)
    }
    refused = {
        name: Problem(
            what=f"sample {quoted(name)} shares {common} genes with the other samples of group "
            f"{quoted(group)}, fewer than half of its {own} and of their {len(shared)}",
            where=f"column 'group' of the samplesheet, group {quoted(group)}",
            remedy="give the sample another group, or name its genes as the others do; it is "
            "left out of this group",
        )
        for name, (common, own) in counts.items()
        if common < MIN_SHARED * min(own, len(shared))
    }
    return refused if 2 * len(refused) < len(samples) else {}


@dataclass(frozen=True)
class Joined:
    """The samples of a group as one, their counts not yet put together.

    Parameters
    ----------
    adata
        All of it but the counts.
    counts
        The samples' counts, cells x genes of the sample.
    places
        For each sample the columns of its counts (`narrow`), or for these their places among the
        genes.
    narrow
        Whether `places` chooses columns.
    """

    adata: ad.AnnData
    counts: list[Matrix]
    places: list[NDArray[np.intp]]
    narrow: bool

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the raw counts of all cells, some at a time."""
        for counts, places in zip(self.counts, self.places, strict=True):
            for _, rows in row_blocks(counts):
                block = rows[:, places] if self.narrow else _spread(rows, places, self.adata.n_vars)
                block.sort_indices()
                yield block


def merge(samples: Sequence[ad.AnnData], *, group: str, genes: Genes = "inner") -> ad.AnnData:
    """Return the cells of all samples, as :func:`join` does, with raw counts in ``X``.

    The matrix is integer CSR.
    """
    joined = join(samples, group=group, genes=genes)
    joined.adata.X = sparse.vstack(list(joined.blocks()), format="csr")
    return joined.adata


def join(samples: Sequence[ad.AnnData], *, group: str, genes: Genes = "inner") -> Joined:
    """Join the cells of all samples over the genes that all of them have, or any of them.

    Genes are matched by id, without the versions of Ensembl's, where every sample has unique ids
    and that finds no fewer of them, else by name; genes of one name are distinguished by ids,
    too. Samples are sorted by id, regardless of the given order; names of genes are
    those of the first.

    Parameters
    ----------
    samples
        Raw counts in ``X`` (cells x genes, in memory or on disk), ``var['gene_ids']``,
        ``var['gene_symbols']``, ``uns['settings']`` of the sample.
    group
        Id of the group.
    genes
        ``inner``: genes that all samples have. ``outer``: those that any has, 0 where a sample was
        not measured for them; ``var['in_all_samples']`` marks the genes measured in all.

    Returns
    -------
    Of its ``adata``: ``obs_names`` ``<sample>_<barcode>``; ``obs['sample']``, ``obs['batch']`` (the
    samplesheet's, by default the sample), the samples' own columns,
    and the extra columns of the samplesheet as text; ``uns['settings']`` of the group;
    ``uns['expression']`` JSON with ``notes``.

    Raises
    ------
    InputError
        If the samples share fewer than half of the genes of the smallest one, or two cells get the
        same name.
    """
    samples = sorted(samples, key=_name)
    rows = [settings(sample) for sample in samples]
    keys, notes = _keys(samples, _common)
    _check_shared(samples, keys, group)
    columns = list(dict.fromkeys(column for row in rows for column in row["extra"]))
    obs = pd.concat(
        [_cells(sample, row, columns) for sample, row in zip(samples, rows, strict=True)]
    )
    _check_names(obs.index, group)
    var, places = _outer(samples, keys) if genes == "outer" else _inner(samples, keys)
    adata = ad.AnnData(obs=obs, var=var)
    set_settings(adata, _group_settings(group, rows))
    adata.uns[NOTES] = json.dumps(
        {"notes": [*_gene_notes(samples, keys, genes), *notes]}, ensure_ascii=False
    )
    return Joined(adata, [sample.X for sample in samples], places, narrow=genes == "inner")


def places_among(genes: ad.AnnData, others: ad.AnnData) -> NDArray[np.intp]:
    """Return the position of each gene of `genes` among those of `others`, or -1.

    They are matched as those of samples are (:func:`join`).
    """
    ours, theirs = _keys([genes, others], _common)[0]
    return np.asarray(theirs.get_indexer(ours))


def _name(sample: ad.AnnData) -> str:
    return str(settings(sample)["sample"])


def _keys(
    samples: Sequence[ad.AnnData], shared: Callable[[Sequence[Keys]], Keys]
) -> tuple[list[Keys], list[str]]:
    """Return gene keys per sample, by id or name, whichever shares more; and notes.

    The choice counts genes that are `shared`.
    """
    by_id = [pd.Index(without_versions(sample.var["gene_ids"].astype(str))) for sample in samples]
    by_name, n_alike = _by_name(samples)
    keys = max(
        (by_id, by_name),
        key=lambda keys: len(shared(keys)) if all(k.is_unique for k in keys) else -1,
    )
    notes = []
    if n_alike and keys is by_name:
        notes.append(
            f"{n_alike} genes share their name with another gene and have no id that "
            "distinguishes them; they are left out."
        )
    return keys, notes


def _check_shared(samples: Sequence[ad.AnnData], keys: Sequence[Keys], group: str) -> None:
    common = _common(keys)
    smallest = min(samples, key=lambda sample: sample.n_vars)
    if len(common) < MIN_SHARED * smallest.n_vars:
        raise InputError.of(
            what=f"the {len(samples)} samples of group {quoted(group)} have {len(common)} genes in "
            f"common, fewer than half of the {smallest.n_vars} of sample "
            f"{quoted(_name(smallest))}",
            where=f"column 'group' of the samplesheet, group {quoted(group)}",
            remedy="give samples of different organisms, annotations or gene panels different "
            "groups, or name their genes alike",
        )


def _inner(
    samples: Sequence[ad.AnnData], keys: Sequence[Keys]
) -> tuple[pd.DataFrame, list[NDArray[np.intp]]]:
    """Return the genes that all have, in the order of the first, and their places in each."""
    common = _common(keys)
    places = [own.get_indexer(common) for own in keys]
    return samples[0].var.iloc[places[0]].copy(), places


def _outer(
    samples: Sequence[ad.AnnData], keys: Sequence[Keys]
) -> tuple[pd.DataFrame, list[NDArray[np.intp]]]:
    """Return the genes that any has, and where those of each sample are among them, -1: nowhere.

    Those of the first come in its order, then what each other adds.
    """
    kept = [~own.str.startswith(_AMBIGUOUS) for own in keys]
    known = [own[some] for own, some in zip(keys, kept, strict=True)]
    var = pd.concat([sample.var[some] for sample, some in zip(samples, kept, strict=True)])
    every = known[0].append(known[1:])
    first = ~every.duplicated()
    every, var = every[first], var[first]
    var[MEASURED] = every.isin(_common(known))
    var.index = make_index_unique(pd.Index(var.index.to_numpy()))
    return var, [every.get_indexer(own) for own in keys]


def _spread(counts: sparse.csr_matrix, places: NDArray[np.intp], n_genes: int) -> sparse.csr_matrix:
    """Return counts with columns moved to `places` of a wider matrix, others dropped."""
    counts = counts[:, places >= 0]
    places = places[places >= 0]
    return sparse.csr_matrix(
        (counts.data, places[counts.indices], counts.indptr), shape=(counts.shape[0], n_genes)
    )


def _by_name(samples: Sequence[ad.AnnData]) -> tuple[list[pd.Index[str]], int]:
    """Return keys of the genes by symbol, and the largest number in one sample without a match.

    Genes of one symbol are matched by their ids, or by their order if all
    samples have the same genes in the same order.
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
        key = key.mask(alike, ("\n" if same_order else f"{_AMBIGUOUS}{number}\n") + places)
        keys.append(pd.Index(key))
        n_alike = max(n_alike, 0 if same_order else int(alike.sum()))
    return keys, n_alike


def _common(keys: Sequence[pd.Index[str]]) -> pd.Index[str]:
    """Return the genes that all have, in the order of the first."""
    common = keys[0]
    for other in keys[1:]:
        common = common[common.isin(other)]
    return common


def _majority(keys: Sequence[Keys]) -> Keys:
    """Return the genes that more than half of the samples have, in the order in which they come."""
    found = Counter(gene for own in keys for gene in own)
    return pd.Index([gene for gene, count in found.items() if 2 * count > len(keys)])


def _gene_notes(samples: Sequence[ad.AnnData], keys: Sequence[Keys], genes: Genes) -> list[str]:
    """Return notes on genes that samples lose or gain because their genes differ."""
    common = _common(keys)
    lost = {
        _name(sample): len(own) - len(common) for sample, own in zip(samples, keys, strict=True)
    }
    if not any(lost.values()):
        return []
    if genes == "outer":
        n_any = len(set().union(*keys))
        return [
            f"{n_any - len(common)} of {n_any} genes were not measured in all samples and "
            "count as 0 where they were not."
        ]
    most = sorted(filter(lost.get, lost), key=lost.__getitem__, reverse=True)
    named = ", ".join(f"{lost[name]} of {quoted(name)}" for name in most[:_NAMED]) + (
        ", …" * (len(most) > _NAMED)
    )
    largest = max(sample.n_vars for sample in samples)
    note = (
        f"The samples have {len(common)} genes in common, of up to {largest} in one sample; "
        "the others are left out"
    )
    return [f"{note}: {named}.", *_costly(samples, keys, len(common))]


def _costly(samples: Sequence[ad.AnnData], keys: Sequence[Keys], n_common: int) -> list[str]:
    """Return a note for each sample without which the others would share clearly more genes."""
    found = Counter(gene for own in keys for gene in own)
    nearly = {gene for gene, count in found.items() if count == len(keys) - 1}
    gains = {
        _name(sample): len(nearly.difference(own))
        for sample, own in zip(samples, keys, strict=True)
    }
    return [
        f"Without sample {quoted(name)} the others would have {gain} more in common."
        for name, gain in gains.items()
        if len(samples) > 2 and gain > _WORTH_NAMING * n_common
    ]


def _cells(sample: ad.AnnData, row: dict[str, Any], columns: list[str]) -> pd.DataFrame:
    """Return the observations of a sample under their final names."""
    obs: pd.DataFrame = sample.obs.copy()
    obs.index = cell_names(str(row["sample"]), obs.index.astype(str))
    obs.insert(0, "sample", row["sample"])
    for column in columns:
        obs[column] = row["extra"].get(column)
    obs[BATCH] = batch_of(row)
    return obs


def _check_names(names: pd.Index[str], group: str) -> None:
    if names.is_unique:
        return
    double = names[names.duplicated()][0]
    raise InputError.of(
        what=f"two cells of group {quoted(group)} get the same name "
        f"<sample>_<barcode>: {quoted(double)}",
        where=f"column 'sample' of the samplesheet, group {quoted(group)}",
        remedy="rename one of the samples so that no sample's name begins with "
        "another's and an underscore",
    )


def _group_settings(group: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    shared = {key: rows[0][key] for key in ("n_clusters", "organism", "tissue")}
    return {"group": group, **shared, "samples": rows}
