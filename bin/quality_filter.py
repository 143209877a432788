#!/usr/bin/env python3
"""Remove the barcodes of a sample that hold no healthy cell."""

from scsiameseclu.command import run
from scsiameseclu.quality.filter import filter_sample

run(filter_sample, isolate=True)
