#!/usr/bin/env python3
"""Lay out the cells of a group in two dimensions."""

from scsiameseclu.command import run
from scsiameseclu.annotation.umap import umap

run(umap, isolate=True)
