"""Intake: check the samplesheet, read raw counts of any known format."""
