#!/usr/bin/env python3
"""Name the cell type of each cluster."""

from scsiameseclu.command import run
from scsiameseclu.annotation.celltypes import celltypes

run(celltypes, isolate=True)
