#!/usr/bin/env python3
"""Join the samples of a group, normalize their counts, choose variable genes and compute principal components."""

from scsiameseclu.command import run
from scsiameseclu.expression.normalize import normalize_group

run(normalize_group, isolate=True)
