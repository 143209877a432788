"""What a pipeline step is; imports nothing, so that a module that declares one is light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A function that a process runs by ``scsiameseclu_step STAGE STEP``.

    It is the ``STEP`` of the module of that name.

    Parameters
    ----------
    function
        Its keyword-only, annotated parameters are the command's options, its numpy docstring the
        help text.
    isolate
        Whether it works on one sample or group, and its failure does not stop the others; see
        :func:`.command.run`.
    """

    function: Callable[..., None]
    isolate: bool = False
