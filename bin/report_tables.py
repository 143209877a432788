#!/usr/bin/env python3
"""Write the report's custom content and the summary for the console."""

from scsiameseclu.command import run
from scsiameseclu.report.tables import write_tables

run(write_tables)
