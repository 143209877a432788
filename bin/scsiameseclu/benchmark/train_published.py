"""The paper's published code on one data set, in a process of its own: ``python -m`` this module.

It works inside a checkout of that code, whose modules are found by their bare names and keep their
files below the working folder. Fixes and removals are described where they are made, and in
docs/benchmarks.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ..command import run
from .process import Record, peak_rss_mb, report

PACKAGE, WEIGHTS = "scSiameseClu", "model_pretrain"
"""Folder, below the working one, in which the published code looks for its files, and that of the
weights in it."""


def train_published(*, code: Path, name: str, data: Path) -> None:
    """Run preparation and training as the code's main.py does; prints a line of JSON.

    Its keys are ``seconds`` (from PCA to the end of the training) and ``peak_rss_mb`` (of the
    process).

    Parameters
    ----------
    code
        Folder with the published modules (opt, utils, MODEL and train) and, in model_pretrain,
        their weights.
    name
        Name of the data set in the published code, which has settings and pretrained weights for
        each.
    data
        ``.npz`` with ``features`` (cells x genes), ``adjacency`` (dense, cells x cells),
        ``size_factors`` and ``n_clusters``.
    """
    report(lambda: _trained(code, name, data))


def _trained(code: Path, name: str, data: Path) -> Iterator[Record]:
    args, utils, train, model = _mended(code)
    given = np.load(data)
    features, adjacency = given["features"], given["adjacency"]
    args.cuda, args.name = False, name
    utils.setup()
    # Read, not defined; named so in its print-out.
    args.beta_value, args.lambda_value = args.sigma_value, args.mu_value
    args.n_clusters, args.n_input = int(given["n_clusters"]), min(args.n_input, *features.shape)
    network = model.scSiameseClu(n_node=len(features))
    for weights in network.parameters():
        # Its propagation loss divides by probabilities that underflow.
        weights.register_hook(torch.nan_to_num)

    started = time.monotonic()
    scores = utils.PCA(n_components=args.n_input).fit_transform(features)
    normalized = utils.normalize_adj(adjacency, self_loop=True, symmetry=False)
    diffused = utils.diffusion_adj(adjacency, mode="ppr", transport_rate=args.alpha_value)
    tensors = (utils.numpy_to_torch(normalized, sparse=True), utils.numpy_to_torch(diffused))
    no_labels = np.zeros(len(features), dtype=int)
    train.train(
        network, utils.numpy_to_torch(scores), no_labels, adjacency, *tensors, given["size_factors"]
    )
    yield {"seconds": time.monotonic() - started, "peak_rss_mb": peak_rss_mb()}


def _mended(code: Path) -> tuple[Any, ModuleType, ModuleType, ModuleType]:
    """Import the published code, fix what keeps it from running, and remove the labels from it."""
    # A log, and a library that pairs clusters with labels: not in our environment, and not needed
    # to cluster.
    loguru, munkres = ModuleType("loguru"), ModuleType("munkres")
    vars(loguru)["logger"], vars(munkres)["Munkres"] = _NoLog(), None
    sys.modules |= {"loguru": loguru, "munkres": munkres}
    Path(PACKAGE).mkdir()
    Path(PACKAGE, WEIGHTS).symlink_to(code / WEIGHTS)
    sys.path.insert(0, str(code))
    sys.argv = sys.argv[:1]  # opt reads the command line when it is imported
    args = import_module("opt").args
    utils, model, train = (import_module(name) for name in ("utils", "MODEL", "train"))
    vars(train)["x"] = utils.dicr_loss  # called by a name that is defined nowhere
    sinkhorn = train.sinkhorn  # torch no longer takes its mixture of torch's and numpy's arrays
    vars(train)["sinkhorn"] = lambda p, power, row, col: sinkhorn(
        p, power, np.asarray(row), np.asarray(col)
    )
    # The scores against labels, after each epoch.
    vars(utils)["eva"] = lambda *_, **__: (0.0, 0.0, 0.0, 0.0)
    return args, utils, train, model


class _NoLog:
    """Discards what is logged."""

    def add(self, *_: Any, **__: Any) -> None: ...

    def info(self, *_: Any, **__: Any) -> None: ...


if __name__ == "__main__":
    run(train_published, versions=None)
