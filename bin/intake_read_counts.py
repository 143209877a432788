#!/usr/bin/env python3
"""Read the raw counts of one sample, whatever their format."""

from scsiameseclu.command import run
from scsiameseclu.intake.read_counts import read_counts

run(read_counts, isolate=True)
