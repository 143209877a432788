"""The report: custom content for MultiQC, static figures, a summary for the console and the final verdict."""
