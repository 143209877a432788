#!/usr/bin/env python3
"""Check the samplesheet and write what it says of each sample as JSON."""

from scsiameseclu.command import run
from scsiameseclu.intake.check_samplesheet import check_samplesheet

run(check_samplesheet)
