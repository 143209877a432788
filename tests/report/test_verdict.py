"""What quality control warns of stands in the verdict: such a sample is not OK."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from scsiameseclu.report.overview import judge


def verdict(**quality: Any) -> Any:
    """Return the verdict on a sample that is fine but for `quality`."""
    fine = {"n_barcodes": 1000, "n_kept": 900, "removed": {}, "median_genes": 900, "doublets": {}}
    sample: Any = SimpleNamespace(failure=None, quality=fine | quality)
    group: Any = SimpleNamespace(
        finished=True, failure=None, metrics={}, id="g", table=lambda _name: pd.DataFrame()
    )
    return judge(sample, group)


def test_without_a_warning_it_is_ok() -> None:
    assert verdict().status == verdict(warnings=[]).status == "OK"


@pytest.mark.parametrize("warning", ["Ambient RNA is high.", "No mitochondrial gene was found."])
def test_each_warning_is_a_reason(warning: str) -> None:
    found = verdict(warnings=[warning])
    assert found.status == "WARN"
    assert found.reasons == (warning,)
