"""The report: custom content for MultiQC, static figures, console summary, verdict."""
