"""The pipeline's version, the same as manifest.version in nextflow.config (a test holds them together)."""

__version__ = "0.1.0"
