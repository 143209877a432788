#!/usr/bin/env python3
"""Find the genes that differ between conditions in each cluster."""

from scsiameseclu.command import run
from scsiameseclu.annotation.differential import differential

run(differential, isolate=True)
