"""Options that several steps have, with their words in ``--help``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Prefix = Annotated[str, Parameter(help="Id of the group.")]
Expression = Annotated[Path, Parameter(help="``<group>.expression.h5ad``.")]
Clustering = Annotated[Path, Parameter(help="``<group>.clustering.h5ad`` with ``obs['cluster']``.")]
Annotation = Annotated[Path, Parameter(help="``<group>.annotation.tsv``.")]
GivenDesign = Annotated[
    Path,
    Parameter(
        help="``design.json``: the column ``condition`` of the samplesheet and the ``formula``, or "
        "null."
    ),
]
Seed = Annotated[int, Parameter(help="Seed of all randomness.")]
