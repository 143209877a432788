#!/usr/bin/env python3
"""Find the marker genes of each cluster."""

from scsiameseclu.command import run
from scsiameseclu.annotation.markers import markers

run(markers, isolate=True)
