"""``python -m scsiameseclu.benchmark``."""

from ..command import run
from .run import benchmark

run(benchmark)
