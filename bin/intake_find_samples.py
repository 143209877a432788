#!/usr/bin/env python3
"""Find count matrices below a folder and write a samplesheet of them."""

from scsiameseclu.command import run
from scsiameseclu.intake.find_samples import write_samplesheet

run(write_samplesheet)
