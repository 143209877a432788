"""The methods that the paper compares with, SC3 and scVI, without labels.

Each module is one method, written from its paper; scVI is run by its library. The docstrings list
the differences from paper and published code. No method's libraries are loaded before a fit.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from ..methods import Labels, NumberOfClusters

    Function = Callable[..., NDArray[np.int64]]


class Baseline:
    """A method whose labels a function returns; one cluster needs no training.

    Parameters
    ----------
    device
        Where networks are trained: ``auto``, ``cpu`` or ``cuda``.
    """

    name: str
    title: str
    modes: tuple[str, ...] = ("true",)

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @staticmethod
    def function() -> Function:
        """Return the function that clusters, its libraries loaded."""
        raise NotImplementedError

    def fit(self, adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
        """Cluster the cells by their highly variable genes or principal components."""
        from ..methods import Labels

        found = self.function()
        if n_clusters == 1:
            return Labels(np.zeros(adata.n_obs, dtype=np.int64))
        return Labels(found(adata, n_clusters=n_clusters, seed=seed, device=self.device))


class PcaReduce(Baseline):
    """pcaReduce."""

    name, title = "pcareduce", "pcaReduce"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .pcareduce import pcareduce_labels

        return pcareduce_labels


class Suscc(Baseline):
    """SUSCC."""

    name, title = "suscc", "SUSCC"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .suscc import suscc_labels

        return suscc_labels


class Dec(Baseline):
    """DEC."""

    name, title = "dec", "DEC"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .dec import dec_labels

        return dec_labels


class ScDeepCluster(Baseline):
    """scDeepCluster, which scDCC is without its constraints."""

    name, title = "scdeepcluster", "scDeepCluster, scDCC"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .scdeepcluster import scdeepcluster_labels

        return scdeepcluster_labels


class ScName(Baseline):
    """scNAME."""

    name, title = "scname", "scNAME"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .scname import scname_labels

        return scname_labels


class ScDsc(Baseline):
    """scDSC."""

    name, title = "scdsc", "scDSC"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .scdsc import scdsc_labels

        return scdsc_labels


class ScGnn(Baseline):
    """scGNN, which takes its own number of clusters from Louvain's."""

    name, title, modes = "scgnn", "scGNN", ("true", "auto")

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .scgnn import scgnn_labels

        return scgnn_labels


class ScCdcg(Baseline):
    """scCDCG."""

    name, title = "sccdcg", "scCDCG"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .sccdcg import sccdcg_labels

        return sccdcg_labels


class Sc3(Baseline):
    """Consensus k-means as in SC3."""

    name, title = "sc3", "consensus k-means as in SC3"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .sc3 import sc3_labels

        return sc3_labels


class Scvi(Baseline):
    """scVI, then Leiden; only where scvi-tools is installed."""

    name, title = "scvi", "scVI + Leiden"
    library = "scvi"

    @staticmethod
    def function() -> Function:
        """Return the function."""
        from .scvi import scvi_labels

        return scvi_labels


BASELINES: tuple[Baseline, ...] = (
    PcaReduce(),
    Suscc(),
    Dec(),
    ScDeepCluster(),
    ScName(),
    ScDsc(),
    ScGnn(),
    ScCdcg(),
    Sc3(),
    Scvi(),
)
"""In the order of the paper's table, then SC3 and scVI."""


def is_installed(method: object) -> bool:
    """Return whether a method's optional library, if it has one, is installed."""
    library = getattr(method, "library", None)
    return library is None or find_spec(library) is not None
