#!/usr/bin/env python3
"""Estimate what the steps on each sample will take of memory."""

from scsiameseclu.command import run
from scsiameseclu.intake.memory import estimate_memory

run(estimate_memory)
