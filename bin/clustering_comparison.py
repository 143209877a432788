#!/usr/bin/env python3
"""Clusters a group by Leiden and k-means, for comparison."""

from scsiameseclu.command import run
from scsiameseclu.clustering.comparison import compare

run(compare, isolate=True)
