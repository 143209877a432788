#!/usr/bin/env python3
"""Test whether shares of cell types differ between conditions."""

from scsiameseclu.command import run
from scsiameseclu.annotation.composition import compare_composition

run(compare_composition, isolate=True)
