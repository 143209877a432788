"""``scsiameseclu``: the commands that users call by hand."""

from __future__ import annotations

from cyclopts import App, Parameter

from ._version import __version__
from .command import run_app
from .intake.find_samples import samplesheet
from .report.recut import recut


def main() -> None:
    """Run the command line and exit."""
    named_as_in_the_pipeline = Parameter(name_transform=str)
    app = App(
        name="scsiameseclu",
        version=__version__,
        help_format="plaintext",
        default_parameter=named_as_in_the_pipeline,
    )
    app.command(samplesheet)
    app.command(recut)
    run_app(app)


if __name__ == "__main__":
    main()
