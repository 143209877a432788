#!/usr/bin/env python3
"""Lay out the cells of a group in two dimensions."""

from scsiameseclu.annotation.umap import umap
from scsiameseclu.command import run

run(umap, isolate=True)
