#!/usr/bin/env python3
"""Score the clustering of a group."""

from scsiameseclu.command import run
from scsiameseclu.annotation.scores import scores

run(scores, isolate=True)
