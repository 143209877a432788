"""Fitted models on disk: arrays as safetensors, the rest as JSON metadata, no pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from .._version import __version__
from ..errors import InputError, quoted
from .consensus.guard import Judgement
from .consensus.linkage import Dendrogram
from .network.model import SiameseNetwork
from .network.train import Training

if TYPE_CHECKING:
    from .estimator import ScSiameseClu

KEY = "scsiameseclu"
"""The one key of the file's metadata: several would be written in any order."""
NETWORK = "network."
"""Prefix of the network's parameters."""
ARRAYS = (
    "labels_",
    "coarse_labels_",
    "fine_labels_",
    "consensus_labels_",
    "soft_assignments_",
    "confidence_",
    "centroids_",
    "embedding_",
    "stability_",
)
"""Arrays of every fitted model."""
OPTIONAL = ("uncorrected_labels_", "corrected_components_", "sketch_")
"""Arrays that are None in some models, and then not stored."""
VALUES: dict[str, Any] = {
    "n_clusters_": int,
    "method_": str,
    "reason_": str,
    "device_": str,
    "n_features_in_": int,
    "cells_digest_": str | None,
}
"""Values of a fitted model, and their types."""
UNREADABLE = (
    *(AttributeError, KeyError, OSError, RuntimeError, SafetensorError, TypeError),
    ValueError,
)
"""What another file, or a model of another version, raises."""


def save(model: ScSiameseClu, path: Path | str) -> None:
    """Write a fitted model; the same model gives the same bytes."""
    arrays = {name: getattr(model, name) for name in (*ARRAYS, *OPTIONAL)}
    tensors = {
        name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None
    }
    tensors |= {"merges": model.dendrogram_.merges, "leaves": model.dendrogram_.leaves}
    if model.network_ is not None:
        state = model.network_.state_dict()
        tensors |= {NETWORK + name: value.detach().cpu().numpy() for name, value in state.items()}
    metadata = json.dumps(_metadata(model), sort_keys=True, default=plain_number)
    Path(path).write_bytes(to_bytes(tensors, metadata={KEY: metadata}))


def plain_number(value: np.generic) -> Any:
    """Return a numpy scalar as a Python number, for JSON."""
    return value.item()


def load(path: Path | str, *, kind: type[ScSiameseClu]) -> ScSiameseClu:
    """Return a model of that class, written by :func:`save`.

    Raises
    ------
    InputError
        The file is not such a model, or one of another version.
    """
    saved = ""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads(file.metadata()[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            saved = f" of version {quoted(metadata['version'])}"
            return _restored(metadata, tensors, kind)
    except UNREADABLE as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else error
        raise InputError.of(
            what=f"{quoted(path)}{saved} cannot be read as a model: {why}",
            where=path,
            remedy="Give a file written by ScSiameseClu.save (<group>.model.safetensors) of "
            f"version {__version__}, or load it with the version that wrote it.",
        ) from error


def _restored(
    metadata: dict[str, Any],
    tensors: dict[str, np.ndarray[Any, Any]],
    kind: type[ScSiameseClu],
) -> ScSiameseClu:
    training = metadata["parameters"].pop("training")
    model = kind(
        **metadata["parameters"], training=None if training is None else Training(**training)
    )
    for name in ARRAYS:
        setattr(model, name, tensors[name])
    for name in OPTIONAL:
        setattr(model, name, tensors.get(name))
    for name, type_ in VALUES.items():
        if not isinstance(metadata[name], type_):
            raise TypeError(f"{name} is {quoted(metadata[name])}")
        setattr(model, name, metadata[name])
    model.dendrogram_ = Dendrogram(tensors["merges"], tensors["leaves"])
    columns = metadata["history_"]
    model.history_ = pd.DataFrame(
        {name: pd.Series(values, dtype=dtype) for name, dtype, values in columns}
    )
    model.cluster_stability_ = {
        int(cluster): value for cluster, value in metadata["cluster_stability_"].items()
    }
    model.batch_agreement_ = {
        int(cluster): value for cluster, value in metadata["batch_agreement_"].items()
    }
    judgement = metadata["batch_judgement_"]
    model.batch_judgement_ = None if judgement is None else Judgement(**judgement)
    model.network_ = _network(tensors)
    return model


def _metadata(model: ScSiameseClu) -> dict[str, Any]:
    history = model.history_
    return {
        "version": __version__,
        "parameters": {
            **model.get_params(),
            "training": None if model.training is None else asdict(model.training),
        },
        "history_": [
            [
                name,
                str(history[name].dtype),
                [None if pd.isna(value) else value for value in history[name].tolist()],
            ]
            for name in history
        ],
        "cluster_stability_": model.cluster_stability_,
        "batch_agreement_": model.batch_agreement_,
        "batch_judgement_": None
        if model.batch_judgement_ is None
        else asdict(model.batch_judgement_),
        **{name: getattr(model, name) for name in VALUES},
    }


def _network(tensors: dict[str, np.ndarray[Any, Any]]) -> SiameseNetwork | None:
    state = {
        name.removeprefix(NETWORK): torch.from_numpy(value)
        for name, value in tensors.items()
        if name.startswith(NETWORK)
    }
    if not state:
        return None
    n_hidden, n_features = state["expression.encoder.hidden.weight"].shape
    network = SiameseNetwork(
        n_features,
        len(state["zinb.log_dispersion"]),
        n_hidden=n_hidden,
        n_projection=len(state["head.2.weight"]),
    )
    network.load_state_dict(state)
    return network.eval()
