#!/usr/bin/env python3
"""Put all that was found of a group into one annotated file, and score its clustering."""

from scsiameseclu.command import run
from scsiameseclu.annotation.assemble import assemble

run(assemble, isolate=True)
