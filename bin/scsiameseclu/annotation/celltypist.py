"""Cell types of single cells by a model of CellTypist (Domínguez Conde et al. 2022), from a file.

Such a model is a pickle, which can run code when it is read. It is read here without any class of
its own. Anything but plain values, numpy arrays, scikit-learn's two linear models and its
scaler is rejected; these three become plain containers of values, and arrays are built here.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from ..blocks import row_blocks
from ..errors import InputError, quoted
from .symbols import shared_genes

BLOCK = 2_000
"""Cells that are made dense at a time."""
LARGEST = 10.0
"""Standard deviations that a gene counts at most."""
FEWEST_GENES, SMALLEST_SHARE = 50, 0.1
"""Genes of the model that the group must have, in number and as a share."""
PARTS = ("LogisticRegression", "SGDClassifier", "StandardScaler")
LOSSES = ("sklearn._loss", "sklearn.linear_model._sgd_fast", "sklearn.linear_model.sgd_fast")
"""Where the loss of an SGDClassifier is, which its file has, too."""


class _Bag:
    """Stands for an object of scikit-learn: keeps its values and does nothing."""

    def __init__(self, *_: object) -> None: ...


class _RefusedError(Exception):
    """A name in the pickle that a model does not need."""


class _Type:
    """Stands for numpy's own, whose state in a file may turn numbers into addresses in memory.

    Numbers, text and objects are known; of its state the order of the bytes is taken alone.
    """

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biufcmMSUO]\d{0,6}", code):
            raise _RefusedError(f"numpy.dtype {code}")
        self.plain = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.plain = self.plain.newbyteorder(state[1])


class _Array:
    """Stands for numpy's own array; :func:`numpy.asarray` makes one of it."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, values = state
        given = np.fromiter if kind.plain.hasobject else np.frombuffer
        self.values = given(values, kind.plain).reshape(shape, order="F" if by_columns else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype)


def _from_buffer(values: Any, kind: _Type, shape: Any, order: str) -> _Array:
    found = _Array()
    found.__setstate__((1, shape, kind, order == "F", values))
    return found


def _scalar(kind: _Type, value: bytes) -> Any:
    return np.frombuffer(value, kind.plain)[0].item()


def _made(kind: Any, *_: object) -> Any:
    return kind()


_KNOWN: dict[tuple[str, str], Any] = {
    (module, name): own
    for modules, name, own in (
        (("numpy.core.multiarray", "numpy._core.multiarray"), "_reconstruct", _Array),
        (("numpy.core.multiarray", "numpy._core.multiarray"), "scalar", _scalar),
        (("numpy.core.numeric", "numpy._core.numeric"), "_frombuffer", _from_buffer),
        (("numpy",), "ndarray", _Bag),
        (("numpy",), "dtype", _Type),
        (("_codecs",), "encode", codecs.encode),
        (("collections",), "OrderedDict", OrderedDict),
        # Of protocols below 3, under the names of Python 2 and 3.
        (("copyreg", "copy_reg"), "_reconstructor", _made),
        (("builtins", "__builtin__"), "object", object),
        (("builtins", "__builtin__"), "bytes", lambda: b""),
    )
    for module in modules
}
"""Names that a file may refer to, and what they are replaced by."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed object; nothing else is looked up or imported."""
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module.startswith(LOSSES) or (module.startswith("sklearn.") and name in PARTS):
            return _Bag
        raise _RefusedError(f"{module}.{name}")


@dataclass(frozen=True)
class Model:
    """The numbers of a model.

    Parameters
    ----------
    genes, types
        Their names.
    weights
        Of the scaled genes (types x genes).
    intercept
        By type.
    mean, scale
        By gene.
    """

    genes: NDArray[np.str_]
    types: NDArray[np.str_]
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def write(self, path: Path | str) -> None:
        """Write the numbers and names, in a form that runs no code when it is read."""
        np.savez(path, **asdict(self))

    @classmethod
    def read(cls, path: Path | str) -> Model:
        """Read what :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in file.files})


def checked_model(path: Path) -> Model:
    """Return the numbers of a CellTypist model.

    Parameters
    ----------
    path
        Pickle with ``Model`` (scikit-learn's LogisticRegression or SGDClassifier) and ``Scaler_``
        (its StandardScaler).

    Raises
    ------
    InputError
        If it is not a model, or holds anything that would have to be executed.
    """
    try:
        with path.open("rb") as file:
            found = _Unpickler(file).load()
    except _RefusedError as refused:
        raise InputError.of(
            what=f"the CellTypist model was refused: it asks for {quoted(refused)}. Reading such a "
            "file can run any program, and a model needs no more than numpy's arrays and "
            f"scikit-learn's {', '.join(PARTS)}",
            where=path.name,
            remedy="give a model as CellTypist writes it, from a source that you trust",
        ) from None
    except OSError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise _no_model(path, "it is not a pickle file, or it is damaged") from error
    try:
        return _numbers(found)
    except Exception as error:  # as above: nothing is known of the values
        raise _no_model(path, f"its parts are missing or do not fit: {quoted(error)}") from error


def _no_model(path: Path, why: str) -> InputError:
    return InputError.of(
        what=f"the CellTypist model cannot be used: {why}",
        where=path.name,
        remedy="give a .pkl file with Model and Scaler_, as CellTypist writes it",
    )


def _numbers(found: Any) -> Model:
    """Return the numbers of a model; raises nearly any exception if they do not fit."""
    model, scaler = found["Model"], found["Scaler_"]
    weights = _floats(model.coef_)
    intercept = np.broadcast_to(_floats(model.intercept_), len(weights))
    if len(weights) == 1:  # of two types the second's only are kept
        weights, intercept = np.vstack([-weights, weights]), np.array([-1, 1]) * intercept
    genes = np.asarray(model.features).astype(str)
    scale = np.broadcast_to(_floats(scaler.scale_), genes.shape).copy()
    has_mean = getattr(scaler, "with_mean", True)
    mean = _floats(scaler.mean_) if has_mean else np.zeros(len(genes))
    types = np.char.strip(np.asarray(model.classes_).astype(str))
    if weights.shape != (len(types), len(genes)) or mean.shape != genes.shape:
        raise ValueError(f"{weights.shape} weights for {len(types)} types and {len(genes)} genes")
    if not all(types):
        raise ValueError("a type has no name")
    if not all(np.isfinite(values).all() for values in (weights, intercept, mean, scale)):
        raise ValueError("some numbers are not finite")
    scale[scale == 0] = 1.0
    return Model(genes, types, weights, intercept, mean, scale)


def _floats(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def celltypist_types(adata: ad.AnnData, model: Model) -> pd.DataFrame:
    """Return the model's type of each cell.

    Parameters
    ----------
    adata
        log1p of counts per 10,000 in ``X`` (cells x genes), in memory or on disk.
    model
        From :func:`checked_model`.

    Returns
    -------
    One row per cell, by name: ``type``; ``score``, its probability against all others; ``delta``,
    the lead over that of the second type.

    Raises
    ------
    InputError
        If the group has fewer than 50, or less than a tenth, of the model's genes.
    """
    ours, theirs = shared_genes(adata, pd.Index(model.genes))
    _check_genes(len(ours), adata, model)
    weights, best, scores = model.weights[:, theirs].T, [], []
    for _, block in row_blocks(adata.X, BLOCK):
        values = (block[:, ours].toarray() - model.mean[theirs]) / model.scale[theirs]
        decision = np.minimum(values, LARGEST) @ weights + model.intercept
        best.append(decision.argmax(axis=1))
        scores.append(np.sort(expit(decision), axis=1)[:, -2:])
    lead = np.vstack(scores)
    names = model.types.astype(object)[np.concatenate(best)]
    columns = {"type": names, "score": lead[:, 1], "delta": lead[:, 1] - lead[:, 0]}
    return pd.DataFrame(columns, index=adata.obs_names)


def _check_genes(n_shared: int, adata: ad.AnnData, model: Model) -> None:
    if n_shared < max(FEWEST_GENES, SMALLEST_SHARE * len(model.genes)):
        raise InputError.of(
            what=f"the group has {n_shared} of the CellTypist model's {len(model.genes)} genes; at "
            f"least {FEWEST_GENES} and {SMALLEST_SHARE:.0%} of them are needed",
            where="genes of the model, such as "
            f"{', '.join(map(quoted, model.genes[:3]))}; of the group, such as "
            f"{', '.join(map(quoted, adata.var_names[:3]))}",
            remedy="give a model of the same organism, or keep more genes",
        )
