"""The report: custom content for MultiQC, static figures, a summary for the console and the final verdict."""

from __future__ import annotations

from .content import Column, Room, Section
from .inputs import Run, read_run
from .summary import summary
from .tables import report_sections, write_tables
from .verdict import tell_failures

__all__ = [
    "Column",
    "Room",
    "Run",
    "Section",
    "read_run",
    "report_sections",
    "summary",
    "tell_failures",
    "write_tables",
]
