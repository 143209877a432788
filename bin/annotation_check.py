#!/usr/bin/env python3
"""Check what the user gave for the annotation before it is used."""

from scsiameseclu.command import run
from scsiameseclu.annotation.check import check

run(check)
