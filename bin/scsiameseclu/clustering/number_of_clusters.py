"""How many clusters: the finest resolution at which the views still agree (docs/method.md).

The averaged graph and each single view are partitioned at each resolution. Structure that is real is found by all;
structure of noise is found anew by each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 0.06
"""Agreement that may be given up, in ARI, for a finer partition."""
NOISE = 0.5
"""Best agreement below which there is one cluster: pure noise reaches at most 0.14, real data at least 0.8."""
SMALLEST = 8
"""Cells that a cluster must have to be counted."""


@dataclass(frozen=True)
class Rung:
    """One resolution of the curve behind the choice.

    Parameters
    ----------
    resolution
        Of modularity.
    sizes
        Cells of each cluster of the averaged graph's partition: of those from several starts, the one whose number of
        clusters is in the middle.
    agreement
        Mean ARI of the averaged graph's partitions with the single views' at the same resolution.
    """

    resolution: float
    sizes: tuple[int, ...]
    agreement: float

    @property
    def n_clusters(self) -> int:
        """Clusters with at least 8 cells, at least one."""
        return max(sum(size >= SMALLEST for size in self.sizes), 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the point of the curve for JSON."""
        return {"resolution": self.resolution, "n_clusters": self.n_clusters, "agreement": self.agreement}


def choose_n_clusters(curve: Sequence[Rung]) -> int:
    """Return the number of clusters of the finest rung whose agreement is within 0.06 of the best.

    One cluster where the best agreement is below 0.5. Rungs of a single cluster are no evidence: two partitions into
    one cluster always agree.
    """
    informative = [rung for rung in curve if len(rung.sizes) > 1]
    best = max((rung.agreement for rung in informative), default=0.0)
    if best < NOISE:
        return 1
    finest = max((rung for rung in informative if rung.agreement >= best - TOLERANCE), key=lambda rung: rung.resolution)
    return finest.n_clusters
