"""Progress of a long run on stderr, with an estimate of the time that is left."""

from __future__ import annotations

import sys
import time


class Progress:
    """Prints the progress at most every `interval` seconds; silent unless `enabled`.

    Parameters
    ----------
    enabled
        False: nothing is written.
    interval
        Seconds between two lines on the same stage.
    """

    def __init__(self, *, enabled: bool, interval: float = 5.0) -> None:
        self.enabled, self.interval = enabled, interval
        self.begun = self.told = time.monotonic()

    def stage(self, what: str) -> None:
        """Print that a stage begins."""
        self.begun = self.told = time.monotonic()
        self._write(what)

    def step(self, done: int, total: int) -> None:
        """Print how many steps of the stage are done, and when it will end."""
        now = time.monotonic()
        if done == 1:
            # The first step also loads libraries, so its time says nothing about the others.
            self.begun = now
        elif now - self.told >= self.interval and done < total:
            self.told = now
            left = (now - self.begun) / (done - 1) * (total - done)
            self._write(f"  step {done} of {total}, {left:.0f} s left")

    def _write(self, line: str) -> None:
        if self.enabled:
            print(line, file=sys.stderr, flush=True)
