#!/usr/bin/env python3
"""Score, and remove or annotate, the doublets of a sample."""

from scsiameseclu.command import run
from scsiameseclu.quality.doublets import flag_doublets

run(flag_doublets, isolate=True)
