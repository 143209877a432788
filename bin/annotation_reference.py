#!/usr/bin/env python3
"""Name the cell type of each cluster from a labelled reference."""

from scsiameseclu.command import run
from scsiameseclu.annotation.reference import reference

run(reference, isolate=True)
