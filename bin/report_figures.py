#!/usr/bin/env python3
"""Sum up what the report shows of the genes of one group, and draw its static figures."""

from scsiameseclu.command import run
from scsiameseclu.report.figures import draw_figures

run(draw_figures, isolate=True)
