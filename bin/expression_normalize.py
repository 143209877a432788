#!/usr/bin/env python3
"""Normalize the counts of a group, choose its variable genes and compute its principal components."""

from scsiameseclu.command import run
from scsiameseclu.expression.normalize import normalize_group

run(normalize_group, isolate=True)
