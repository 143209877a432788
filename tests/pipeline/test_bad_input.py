"""Bad input ends with one clear message, a status that is not 0, and no traceback.

Bad samples among good ones: test_batch.py. Mistakes of a samplesheet: test_completion.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import DEMO, Run, run_pipeline

pytestmark = pytest.mark.pipeline


def assert_reported(run: Run, *words: str) -> None:
    assert run.status != 0, run.output
    assert "Traceback" not in run.output
    for word in words:
        assert word in run.output, f"{word!r} is missing in:\n{run.output}"


def test_all_wrong_parameters_are_reported_at_once(tmp_path: Path) -> None:
    """Those of an institution's profile, too."""
    (tmp_path / "nfcore_custom.config").write_text(
        "profiles { here { params.organism = 'of the institution' } }\n"
    )
    run = run_pipeline(
        tmp_path, "--n_clusters", "-3", "--max_pct_mt", "250", "--custom_config_base", tmp_path,
        "--n_top_gene", "500", "--seed", "many", "--only_pos", "maybe", "--cluster_detail", "1.5",
        "--base", "nowhere.h5ad", "--email", "nobody", "--hook_url", "ftp://x",
        "--condition", "donor", "--formula", "~ $(touch evil); `touch evil` + donor",
        profile="venv,here",
    )  # fmt: skip
    assert_reported(
        run, "--input is missing", "--n_clusters", "'-3'", "--max_pct_mt", "at most 100"
    )
    assert_reported(run, "--organism is 'of the institution'", "human, mouse, other")
    assert_reported(run, "--cluster_detail is 1.5", "at most 1", "--formula is")
    assert_reported(run, "--n_top_gene ", "--n_top_genes", "'many'", "'maybe'")
    assert_reported(run, "--base is 'nowhere.h5ad' but there is no such file")
    assert_reported(run, "--email is 'nobody' but must be a mail address")
    assert_reported(run, "--hook_url is 'ftp://x' but must be an address that begins with")
    assert not list((tmp_path / "work").glob("??/*")), "no task may start"
    assert not list(tmp_path.rglob("evil"))


def test_files_for_the_annotation_are_checked_first_and_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("cell_type,gene,colour\nA,CD3D,red\n")
    (tmp_path / "sheet.csv").write_text(f"sample,counts,donor\na,{DEMO / 'pancreas.h5ad'},D1\n")
    run = run_pipeline(
        tmp_path, "--input", tmp_path / "sheet.csv", "--markers", "mine.csv",
        "--condition", "treatment", "--formula", "~ batch_no + treatment",
        "--reference", DEMO / "pancreas.h5ad", "--reference_label", "kind",
    )  # fmt: skip
    assert_reported(
        run, "unknown column 'colour'", "mine.csv, line 1", "no column 'treatment'", "'donor'"
    )
    assert_reported(run, "no column 'kind'", "no column 'batch_no'")
    assert "CLUSTERING_SCSIAMESECLU" not in run.output


def test_an_invalid_base_is_reported_while_samples_are_read(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(f"sample,counts\na,{DEMO / 'pancreas.h5ad'}\n")
    run = run_pipeline(
        tmp_path, "--input", tmp_path / "sheet.csv", "--base", DEMO / "pancreas.h5ad"
    )
    assert_reported(
        run, "the base is not a result of this pipeline: it has no obs['cluster']", "remedy"
    )
    assert "EXPRESSION_NORMALIZE" not in run.output


def test_hashtags_that_no_sample_has_are_told_when_the_counts_are_read(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(f"sample,counts\na,{DEMO / 'pancreas.h5ad'}\n")
    run = run_pipeline(tmp_path, "--input", tmp_path / "sheet.csv", "--condition", "hashtag")
    assert_reported(run, "compared by hashtag, and none of them has any", "--condition", "remedy")
    assert "EXPRESSION_NORMALIZE" not in run.output


def test_a_strict_run_stops_at_the_first_bad_sample(tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "sheet.csv").write_text(
        f"sample,counts\nhollow,hollow\ngood,{DEMO / 'pancreas.h5ad'}\n"
    )
    run = run_pipeline(tmp_path, "--input", tmp_path / "sheet.csv", "--strict")
    assert_reported(run, "hollow FAILED", "remedy")
    assert "EXPRESSION_NORMALIZE" not in run.output
