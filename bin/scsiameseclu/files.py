"""The files that stages hand to each other: written the same way, byte for byte, each time."""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, quoted

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .contracts import FailureRecord, Size
    from .errors import Problem

SETTINGS = "settings"
"""Key of ``AnnData.uns`` that holds, as JSON text, the samplesheet's row of the sample or
group."""


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as TSV without its index.

    It is gzipped with a fixed time stamp if the name ends in ``.gz``.
    """
    text = table.to_csv(sep="\t", index=False, lineterminator="\n").encode()
    if str(path).endswith(".gz"):
        text = gzip.compress(text, mtime=0)
    Path(path).write_bytes(text)


def read_table(path: Path | str, **options: Any) -> pd.DataFrame:
    """Read a TSV written by :func:`write_table`; only an empty field is a missing value."""
    import pandas as pd  # here: a step that reads no table need not wait for it

    # A carriage return within a name ends no line.
    table: pd.DataFrame = pd.read_csv(
        path, sep="\t", lineterminator="\n", keep_default_na=False, na_values=[""], **options
    )
    return table


def below_each_other(tables: Iterable[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return the `columns` of tables as one table, which is empty if all of them are."""
    import pandas as pd  # here: as above

    some = [table for table in tables if len(table)]
    return pd.concat(some, ignore_index=True)[columns] if some else pd.DataFrame(columns=columns)


def write_json(value: Mapping[str, Any], path: Path | str, *, indent: int | None = 2) -> None:
    """Write JSON; numpy scalars and arrays become plain ones and non-finite numbers become null."""
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON object."""
    value = json.loads(Path(path).read_text(encoding="utf-8"))
    return dict(value)


def unwrapped(staged: Path) -> Path:
    """Return the staged file or folder of a task, or the target of the link ``.given`` in it.

    The pipeline puts such a link where the user's path cannot go through a shell.
    """
    link = staged / ".given"
    return link if link.is_symlink() else staged


@contextmanager
def own_name(staged: Path, given: str | None) -> Iterator[Path]:
    """While a staged file is read, report it under the user's name.

    Tasks get their files under names that the pipeline chooses, for no shell shall see the user's.
    But the name of a file may describe its content, and messages show it.

    Parameters
    ----------
    staged
        The file or folder as the task got it.
    given
        Its path or address as the user wrote it. None: the staged name is kept.
    """
    name = Path(given or "").name
    staged = unwrapped(staged)
    with tempfile.TemporaryDirectory() as folder:
        if name not in ("", ".."):
            link = Path(folder, name)
            link.symlink_to(staged.absolute())
            staged = link
        yield staged


@contextmanager
def given_h5ad(otherwise: InputError) -> Iterator[None]:
    """While a user's ``.h5ad`` is read, raise an InputError for whatever the libraries raise.

    Parameters
    ----------
    otherwise
        The error for a file that is none. Where anndata cannot read a part of it, which another
        version may have written, the reason and a remedy for that are added.
    """
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise otherwise from error
    except Exception as error:
        (problem,) = otherwise.problems
        # Its notes name the part of the file.
        reason = "; ".join([str(error), *getattr(error, "__notes__", [])])
        raise InputError.of(
            what=f"{problem.what.rstrip('.')}: {type(error).__name__}: "
            f"{quoted(reason, length=400)}",
            where=problem.where,
            remedy=f"{problem.remedy.rstrip('.')}; if a newer anndata wrote it, read it there, "
            "remove what is named above and write it again",
        ) from error


def settings(adata: ad.AnnData) -> dict[str, Any]:
    """Return the samplesheet's settings of this sample or group, from ``uns['settings']``."""
    return dict(json.loads(adata.uns[SETTINGS]))


def overridden(adata: ad.AnnData, **parameters: Any) -> dict[str, Any]:
    """Return `parameters`, overridden by the samplesheet's values for this sample."""
    own = settings(adata).get("overrides", {})
    return parameters | {name: own[name] for name in parameters if name in own}


def set_settings(adata: ad.AnnData, value: Mapping[str, Any]) -> None:
    """Keep `value` in ``uns['settings']`` as JSON text.

    Users' keys may hold characters that HDF5 cannot.
    """
    adata.uns[SETTINGS] = json.dumps(_plain(value), ensure_ascii=False)


def write_h5ad(
    adata: ad.AnnData,
    path: Path | str,
    *,
    kept: NDArray[np.bool_] | None = None,
    tables: ad.AnnData | None = None,
) -> None:
    """Write an AnnData compressed, in blocks, with strings as categories or plain text.

    Parameters
    ----------
    adata
        Matrices in memory, or on disk in another file.
    path
        The file.
    kept
        Mask of the cells whose matrices are written; they are never held twice. Default: all.
    tables
        An AnnData of these cells, without matrices, which are added. Default: all of
        `adata`, or, of some cells, ``obs``, ``var`` and ``uns``.
    """
    # Here: a step that writes no counts need not wait for them.
    import h5py
    from anndata import AnnData

    from .blocks import write_matrix, write_tables

    if tables is None:
        tables = (
            adata if kept is None else AnnData(obs=adata.obs[kept], var=adata.var, uns=adata.uns)
        )
    make_plain(tables)
    with h5py.File(path, "w") as file:
        if adata.X is not None:
            write_matrix(file, "X", adata.X, kept)
        for name, layer in adata.layers.items():
            write_matrix(file, f"layers/{name}", layer, kept)
        write_tables(file, tables)


def make_plain(adata: ad.AnnData) -> None:
    """Turn all text of an AnnData into categories or plain text, which any reader knows.

    pandas' own text type is written as a nullable-string-array by anndata 0.12 and later where that
    is allowed, which cellxgene, Seurat and older versions of anndata cannot read.
    """
    adata.strings_to_categoricals()
    for table in (
        adata.obs,
        adata.var,
        *(table for table in adata.obsm.values() if hasattr(table, "dtypes")),
    ):
        _plain_text(table)
    for key, value in adata.uns.items():
        if hasattr(value, "dtypes"):  # a table
            adata.uns[key] = _plain_text(value.copy())


def _plain_text(table: pd.DataFrame) -> pd.DataFrame:
    """Turn pandas' text type into plain text in a table, its index and categories; return it."""
    for column in table.columns:
        values = table[column]
        if hasattr(values, "cat") and _is_text(values.cat.categories):
            plain = values.cat.categories.astype(object)
            table[column] = values.cat.rename_categories(plain)
        elif _is_text(values) and values.isna().any():
            table[column] = values.astype(object).astype("category")
        elif _is_text(values):
            table[column] = values.astype(object)
    if _is_text(table.index):
        table.index = table.index.astype(object)
    return table


def _is_text(values: pd.Series[Any] | pd.Index[Any]) -> bool:
    # By name: in a module that imports no pandas.
    return str(values.dtype) in ("string", "str")


def write_size(
    path: Path | str,
    *,
    n_cells: int,
    n_genes: int,
    n_values: int,
    n_captured: int = 0,
    n_droplets: int = 0,
) -> None:
    """Write the size of counts, `n_values` of them nonzero, by which later tasks ask for memory.

    `n_captured` proteins, hashtags and guides, if any, came with the genes, and `n_droplets` empty
    droplets with the cells.
    """
    size: Size = {"n_cells": n_cells, "n_genes": n_genes, "n_values": n_values}
    if n_captured:
        size["n_captured"] = n_captured
    if n_droplets:
        size["n_droplets"] = n_droplets
    write_json(size, path)


def write_failure(*, name: str, step: str, problems: Iterable[Problem]) -> None:
    """Write ``<name>.<step>.failure.json``: why the sample or group `name` is missing."""
    record: FailureRecord = {
        "id": name,
        "step": step,
        "problems": [problem.record() for problem in problems],
    }
    write_json(record, f"{name}.{step}.failure.json")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # arrays, series and scalars of numpy and pandas
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
