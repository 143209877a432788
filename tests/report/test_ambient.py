"""Ambient RNA in the report: the samples' shares, and the verdict's caution."""

from __future__ import annotations

import pytest
from scsiameseclu.report.inputs import Run, read_run
from scsiameseclu.report.methods import sections as methods
from scsiameseclu.report.overview import judge
from scsiameseclu.report.samples import ambient as sections

from tests.report.simulate import HOSTILE, Plan, simulate
from tests.report.test_tables import METHODS


def read(folder, plan: Plan) -> Run:
    paths = simulate(folder, plan)
    order = [paths.pop(name) for name in ("samples", "groups", "failures", "schema")]
    return read_run(*order, 1000, **paths, methods=METHODS)


@pytest.mark.parametrize(("hostile", "share"), [(False, 12), (True, 31)])
def test_the_share_is_told_and_a_large_one_is_a_caution(tmp_path, hostile, share):
    run = read(tmp_path, Plan(n_samples=2, n_groups=1, failed=(), hostile=hostile))
    (section,) = sections(run)
    first, second = section.body["data"].values()
    assert first["share"] == pytest.approx(share)
    assert first["range"] == "10.0 to 40.0 &#37;"
    assert "LYZ (2.0" in first["genes"]
    assert HOSTILE not in str(section.body)
    assert "share" not in second
    assert "without its empty droplets" in second["note"]
    verdicts = [judge(sample, run.groups[0]) for sample in run.samples]
    words = "Caution: above 20 % ambient counts (estimated at 31 %)."
    assert (words in verdicts[0].reasons) == hostile
    assert words not in verdicts[1].reasons
    (text,) = methods(run)
    assert "estimated in 1 sample with SoupX's method" in " ".join(str(text.body).split())


def test_nothing_is_said_where_no_droplets_came(tmp_path):
    run = read(tmp_path, Plan(n_samples=2, n_groups=1, failed=()))
    for path in (tmp_path / "groups").glob("*.ambient*.tsv"):
        path.unlink()
    options = {name: tmp_path / f"{name}.json" for name in ("samples", "params")}
    run = read_run(
        tmp_path / "samples", tmp_path / "groups", None, None, 1000, methods=METHODS,
        samplesheet=options["samples"], parameters=options["params"],
        versions=tmp_path / "versions.yml",
    )  # fmt: skip
    assert list(sections(run)) == []
    assert judge(run.samples[0], run.groups[0]).status == "OK"
    (text,) = methods(run)
    assert "SoupX" not in str(text.body)
