#!/usr/bin/env python3
"""Clusters a group's cells with scSiameseClu."""

from scsiameseclu.command import run
from scsiameseclu.clustering.scsiameseclu import cluster

run(cluster, isolate=True)
