#!/usr/bin/env python3
"""Name the cell type of each cluster."""

from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.command import run

run(celltypes, isolate=True)
