"""``scsiameseclu``: the commands that users call by hand."""

from __future__ import annotations

from cyclopts import App

from ._version import __version__
from .command import run_app
from .intake.find_samples import samplesheet


def main() -> None:
    """Run the command line and exit."""
    app = App(name="scsiameseclu", version=__version__, help_format="plaintext")
    app.command(samplesheet)
    run_app(app)


if __name__ == "__main__":
    main()
