"""A baseline's code by its own authors on one data set, without labels: ``python -m`` this module.

Each script runs in a scratch folder, from the text in a checkout with the changes made here: they
let it run with today's libraries on a CPU, give it the data, the number of clusters and the seed,
and remove every use of labels. Its settings are its defaults, the same for all data.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import h5py
import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from ..command import run
from .process import Record, report

Found = dict[str, Any]
"""What a script has defined when it ends."""
ABSENT = {
    "scdsc": ("tensorflow", "tensorflow.keras", "tensorflow.keras.models"),
    "sccdcg": ("loguru", "jgraph", "torchmetrics", "torchmetrics.functional"),
    "scgnn": ("munkres", "seaborn"),
    "scname": ("jgraph",),
}
"""Libraries that scripts import and do not need to cluster."""


class Task(NamedTuple):
    """What a script is given: counts and log-normalized expression of the same genes."""

    code: Path
    counts: np.ndarray[Any, np.dtype[np.float32]]
    logs: np.ndarray[Any, np.dtype[np.float32]]
    n_clusters: int
    seed: int

    def script(self, name: str, changes: dict[str, str], *options: str, **given: Any) -> Found:
        """Run a script of the checkout, its text changed, and return what it has defined.

        `given` are variables that it finds.
        """
        text = (self.code / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            if old not in text:
                raise ValueError(f"{name} is of another commit: it has no text {old!r}")
            text = text.replace(old, new)
        sys.argv = [name, *options]
        sys.path.insert(0, str((self.code / name).parent))
        found: Found = {"__name__": "__main__"} | given
        with suppress(SystemExit):
            exec(compile(text, name, "exec"), found)
        return found

    def write_h5(self, name: str, **more: Any) -> None:
        """Write the counts as the scripts read them."""
        with h5py.File(name, "w") as file:
            for key, value in ({"X": self.counts} | more).items():
                file[key] = value


def scdeepcluster(task: Task) -> Any:
    """Run scDeepCluster: rates, epochs and stopping rule of its script."""
    task.write_h5("data.h5")
    changes = {
        ', dtype="float64"': "",
        "adata.obs.size_factors,": "adata.obs.size_factors.to_numpy(),",
        "torch.manual_seed(42)": f"torch.manual_seed({task.seed})",
    }
    options = f"--data_file=data.h5 --device=cpu --n_clusters={task.n_clusters}".split()
    return task.script("run_scDeepCluster.py", changes, *options)["y_pred"]


def scdsc(task: Task) -> Any:
    """Run scDSC: the settings for its data set MTAB; labels of the last epoch."""
    for folder in ("data", "graph", "model"):
        Path(folder).mkdir()
    n, genes = task.logs.shape
    np.savetxt("data/mtab.txt", task.logs)
    np.savetxt("data/mtab_label.txt", np.zeros(n), fmt="%d")
    task.write_h5("data/mtab.h5", Y=np.zeros(n))
    sys.path.insert(0, str(task.code))
    predicted: list[Any] = []
    evaluation = ModuleType("evaluation")
    vars(evaluation)["eva"] = lambda _, labels, *__: predicted.append(labels)
    sys.modules["evaluation"] = evaluation
    task.script("MTAB/calcu_graph_mtab.py", {"graph/mtab_ncos_graph": "graph/mtab_graph"})
    task.script(
        "MTAB/pretrain_mtab.py", {"[5, 20, 4889, 10]": f"[{task.n_clusters}, 20, {genes}, 10]"}
    )
    changes = {
        "[5, 10, 4889, 20]": f"[{task.n_clusters}, 10, {genes}, 20]",
        "model/mtab1.pkl": "model/mtab.pkl",
        "adata.obs.size_factors": "adata.obs.size_factors.to_numpy()",
    }
    task.script("MTAB/dsc_mtab.py", changes)
    return predicted[-1]


def sccdcg(task: Task) -> Any:
    """Run scCDCG: the settings for its default data set; labels of the last epoch."""
    vars(sys.modules["torchmetrics.functional"])["pairwise_cosine_similarity"] = lambda x, y: (
        functional.normalize(x) @ functional.normalize(y).T
    ).fill_diagonal_(0 if x is y else 1)
    task.write_h5("data.h5", Y=np.zeros(len(task.counts)))
    changes = {
        "datapath+'.h5','r'": "'data.h5','r'",
        "[3047,3041,2021,2022,2050]": f"[{task.seed}]",
        "if acc > acc_max:": "if True:",  # keeps the last epoch, not that of the best accuracy
        "= evaluation(y, kmeans.labels_)": "= 0, 0, 0, 0",
        "from preprocess import *": "",
    }
    options = ("--num_class", str(task.n_clusters))
    return task.script("train_scCDCG.py", changes, *options)["pseudo_labels"]


def scgnn(task: Task) -> Any:
    """Run scGNN: its defaults, which have neither LTMG nor the graph embedding; k-means."""
    Path("cells").mkdir()
    pd.DataFrame(np.log1p(task.counts.T)).to_csv("cells/Use_expression.csv")
    options = f"--datasetName=cells --datasetDir=./ --no-cuda --nonsparseMode --seed={task.seed}"
    clusters = f"--clustering-method=KMeans --n-clusters={task.n_clusters}"
    # The imputation that follows the clustering is left out.
    changes = {"    # Use new dataloader\n    print(": "    raise SystemExit\n    print("}
    found = task.script("scGNN.py", changes, *options.split(), *clusters.split())
    return found["listResult"]


def scname(task: Task) -> Any:
    """Run scNAME: its defaults, on as many genes as there are up to its 1,000."""
    genes = min(1000, task.counts.shape[1])
    vars(np)["int"] = int
    changes = {
        "X, Y = prepro(args.dataname)": "X, Y = given",
        "sc.AnnData(X)": "sc.AnnData(X.astype(float))",
        "int(max(Y) - min(Y) + 1)": str(task.n_clusters),
        "random_seed = [1111]": f"random_seed = [{task.seed}]",
        "default = 1000, type = int": f"default = {genes}, type = int",
        "kmeans_accuracy = ": "break\n        kmeans_accuracy = ",
    }
    given = task.counts, np.zeros(len(task.counts), dtype=int)
    found = task.script("scNAME_main.py", changes, given=given)
    labels = np.empty(len(task.counts), dtype=int)
    labels[found["shuffle_ix"]] = found["scNAMEcluster"].Y_pred
    return labels


def pcareduce(task: Task) -> Any:
    """Run pcaReduce in R: 30 components and merging by the largest probability, once."""
    np.savetxt("logs.csv", task.logs, delimiter=",")
    text = "\n".join(path.read_text(encoding="utf-8") for path in task.code.glob("R/*.R"))
    for x in ("x1", "x2"):  # R has since refused a condition of two values
        text = text.replace(f'class({x}) =="numeric"', f"is.null(dim({x}))")
    call = (
        f"library(pcaMethods); library(mnormt); set.seed({task.seed})\n"
        "x <- as.matrix(read.csv('logs.csv', header = FALSE))\n"
        "found <- PCAreduce(x, nbt = 1, q = 30, method = 'M')[[1]]\n"
        f"write(found[, ncol(found) - {task.n_clusters - 2}], 'labels.txt', ncolumns = 1)"
    )
    Path("run.R").write_text(f"{text}\n{call}\n", encoding="utf-8")
    subprocess.run(["Rscript", "run.R"], check=True, stdout=sys.stderr)
    return np.loadtxt("labels.txt")


METHODS: dict[str, Callable[[Task], Any]] = {
    function.__name__: function
    for function in (scdeepcluster, scdsc, sccdcg, scgnn, scname, pcareduce)
}
"""By the names of the corresponding baselines."""


def train_authors(*, code: Path, method: str, data: Path, seed: int) -> None:
    """Run one code on one data set; prints a line of JSON, with its ``labels``.

    Parameters
    ----------
    code
        Checkout of the authors' code.
    method
        Name of the baseline.
    data
        ``.npz`` with ``counts``, ``logs`` (cells x genes) and ``n_clusters``.
    seed
        Seed.
    """
    given = np.load(data)
    task = Task(code, given["counts"], given["logs"], int(given["n_clusters"]), seed)

    _mend(method, seed)

    def found() -> Iterator[Record]:
        yield {"labels": np.asarray(METHODS[method](task)).astype(int).tolist()}

    report(found)


def _mend(method: str, seed: int) -> None:
    """Seed all, stand in for libraries that are not needed, and keep tensors on the CPU."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (from which the scripts draw)
    torch.manual_seed(seed)
    for name in ABSENT.get(method, ()):
        sys.modules[name] = MagicMock(__spec__=ModuleSpec(name, None), __path__=[])
    for kind in (torch.Tensor, torch.nn.Module):
        kind.cuda = lambda self, *_, **__: self  # type: ignore[assignment,method-assign,union-attr]
    torch.cuda.set_device = lambda device: None  # noqa: ARG005


if __name__ == "__main__":
    run(train_authors, versions=None)
