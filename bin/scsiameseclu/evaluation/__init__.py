"""Evaluation: comparison methods, and scores with and without a gold standard."""
