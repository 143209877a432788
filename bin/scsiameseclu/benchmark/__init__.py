"""The benchmark behind docs/benchmarks.md: labelled data sets x methods x seeds."""

from __future__ import annotations

from ..threads import cap_threads

cap_threads()  # before any module here imports numpy
