"""What the methods text says of scores of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import G2M_PHASE, S_PHASE, STRESS
from .cell_scores import set_names

if TYPE_CHECKING:
    from .inputs import Run


def sentences(run: Run) -> dict[str, bool]:
    """Return slot of the template -> whether it has something to say."""
    scored = [group.cell_scores for group in run.finished]
    return {
        "phases": any("share_S" in table for table in scored),
        "dissociation": any("mean_dissociation" in table for table in scored),
        "gene_sets": bool(set_names(run.finished)),
    }


def facts(run: Run) -> dict[str, object]:
    """Return the values of the placeholders; of genes the numbers of the first group with any."""
    sets = len(set_names(run.finished))
    found: dict[str, list[int]] = next(
        (of for group in run.finished if (of := group.scoring.get("n_genes"))), {}
    )
    return {
        "n_s": found.get(S_PHASE, [0])[0],
        "n_g2m": found.get(G2M_PHASE, [0])[0],
        "n_stress": found.get(STRESS, [0])[0],
        "n_sets": f"{sets:,} gene set{'' if sets == 1 else 's'}",
    }
