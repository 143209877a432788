#!/usr/bin/env python3
"""Join the samples of a group."""

from scsiameseclu.command import run
from scsiameseclu.expression.merge import merge_samples

run(merge_samples, isolate=True)
