"""The report: custom content for MultiQC, static figures, a summary for the console and the final verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
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

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "content": ["Column", "Room", "Section"],
        "inputs": ["Run", "read_run"],
        "summary": ["summary"],
        "tables": ["report_sections", "write_tables"],
        "verdict": ["tell_failures"],
    },
)
