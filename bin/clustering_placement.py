#!/usr/bin/env python3
"""Places a group's cells into an earlier result."""

from scsiameseclu.command import run
from scsiameseclu.clustering.placement import place_group

run(place_group, isolate=True)
