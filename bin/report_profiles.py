#!/usr/bin/env python3
"""Boil the expression of one group down to what the report shows of it."""

from scsiameseclu.command import run
from scsiameseclu.report.profiles import write_profiles

run(write_profiles, isolate=True)
