"""The benchmark behind docs/benchmarks.md: labelled data sets x methods x seeds, one command for all of it."""
