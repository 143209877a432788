#!/usr/bin/env python3
"""Check the user's marker sets before they are used."""

from scsiameseclu.command import run
from scsiameseclu.annotation.marker_sets import check_markers

run(check_markers)
