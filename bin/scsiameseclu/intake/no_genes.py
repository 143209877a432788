"""Features that are no genes by their names: sums of reads, tags of antibodies, control probes."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KINDS = {
    "sums of reads without a gene": re.compile(  # HTSeq, STAR, featureCounts, CITE-seq-Count
        r"X?(?:__|--|\.\.)\w.*"
        r"|X?_?(?:total_)?(?:no[_.-]?feature|ambiguous|too[_.-]low[_.-]aqual|not[_.-]aligned"
        r"|alignment[_.-]not[_.-]unique)"
        r"|N[_.-](?:unmapped|multimapping|noFeature|ambiguous)"
        r"|(?:un)?assigned|unassigned[_.-]\w.*|unmapped|no_match|bad_struct|total_reads|\*",
        re.IGNORECASE,
    ),
    "control probes": re.compile(  # CosMx, Xenium, MERSCOPE
        r"NegPrb\d+|Negative\d+|SystemControl\d+|FalseCode\w*\d+"
        r"|NegControl(?:Probe|Codeword)[_-]\w+|antisense_\w+"
        r"|BLANK[_-]\d+|(?:Unassigned|Deprecated)Codeword[_-]\d+",
        re.IGNORECASE,
    ),
    # CD3-CTCATTGTAACTCCT, as CITE-seq-Count has it.
    "tags of antibodies or guides": re.compile(r".*[_-][ACGT]{10,}"),
}


def kinds_of_features(names: Sequence[str]) -> list[str]:
    """Return what each feature is by its name: one of the kinds that are no genes, or empty."""
    return [_kind(name) for name in names]


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(name)), "")
