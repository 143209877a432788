#!/usr/bin/env python3
"""Find the marker genes of each cluster."""

from scsiameseclu.annotation.markers import markers
from scsiameseclu.command import run

run(markers, isolate=True)
