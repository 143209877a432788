#!/usr/bin/env python3
"""Put all that was found of a group into one annotated file."""

from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.command import run

run(assemble, isolate=True)
