#!/usr/bin/env python3
"""Score the clustering of a group."""

from scsiameseclu.command import run  # noqa: I001 (first: it caps the threads)
from scsiameseclu.annotation.scores import scores

run(scores, isolate=True)
