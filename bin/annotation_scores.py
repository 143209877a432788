#!/usr/bin/env python3
"""Score the clustering of a group."""

from scsiameseclu.annotation.scores import scores
from scsiameseclu.command import run

run(scores, isolate=True)
