"""Whether the device that was asked for is there: checked at the start of a run."""

from __future__ import annotations

from typing import Literal

import torch

from ..files import write_json
from ..steps import Step
from .estimator import resolve_device


def check_device(*, device: Literal["auto", "cpu", "cuda"]) -> None:
    """Write ``device.json``: ``device`` ("cpu" or "cuda") and ``name``, that of the GPU or None.

    Parameters
    ----------
    device
        What was asked for.

    Raises
    ------
    InputError
        A GPU was requested and there is none.
    """
    found = resolve_device(device)
    write_json(
        {"device": found, "name": torch.cuda.get_device_name() if found == "cuda" else None},
        "device.json",
    )


STEP = Step(check_device)
