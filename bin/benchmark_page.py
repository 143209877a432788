#!/usr/bin/env python3
"""Writes the tables, figures and page of the benchmark."""

from scsiameseclu.command import run
from scsiameseclu.benchmark.group import benchmark_page

run(benchmark_page)
