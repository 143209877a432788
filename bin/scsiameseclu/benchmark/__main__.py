"""``python -m scsiameseclu.benchmark``."""

from scsiameseclu.command import run
from scsiameseclu.benchmark.run import benchmark  # isort: skip  # the command comes first: it caps the threads

run(benchmark)
