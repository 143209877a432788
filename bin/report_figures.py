#!/usr/bin/env python3
"""Draw the static figures of one group."""

from scsiameseclu.command import run
from scsiameseclu.report.figures import draw_figures

run(draw_figures, isolate=True)
