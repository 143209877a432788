#!/usr/bin/env python3
"""Clusters a labelled group by every method and scores each."""

from scsiameseclu.command import run
from scsiameseclu.benchmark.group import compare_methods

run(compare_methods, isolate=True)
