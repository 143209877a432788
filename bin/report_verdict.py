#!/usr/bin/env python3
"""Name everything that failed, and fail."""

from scsiameseclu.command import run
from scsiameseclu.report.verdict import tell_failures

run(tell_failures)
