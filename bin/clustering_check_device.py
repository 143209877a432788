#!/usr/bin/env python3
"""Finds out whether the device that was asked for is there."""

from scsiameseclu.command import run
from scsiameseclu.clustering.device import check_device

run(check_device)
