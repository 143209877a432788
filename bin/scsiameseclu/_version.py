"""The pipeline's version, equal to manifest.version in nextflow.config (a test compares them)."""

__version__ = "0.1.0"
