"""The command ``recut``: its files are those that a new run with that number of clusters makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.annotation.markers import find_markers, markers
from scsiameseclu.clustering.scsiameseclu import cluster
from scsiameseclu.errors import InputError
from scsiameseclu.expression.normalize import normalize
from scsiameseclu.files import read_json, read_table, set_settings, write_h5ad, write_json
from scsiameseclu.report.recut import recut

from tests.clustering.simulated_counts import nested, simulated

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NAMES = ("clustering.json", "model.safetensors", "training_history.tsv")
NAMES += ("markers.tsv", "annotation.tsv", "clusters.tsv", "composition.tsv")
"""Files of a group that the steps before evaluation write."""


def write_expression(path: Path, n_clusters: int | str) -> None:
    adata = normalize(simulated(sizes=(140, 110, 90, 60)), n_pcs=10)
    adata.obs = pd.DataFrame({"sample": pd.Categorical(["one"] * adata.n_obs)}, adata.obs_names)
    adata.var["gene_ids"] = adata.var["gene_symbols"] = adata.var_names
    adata.uns = {key: adata.uns[key] for key in ("log1p", "hvg", "pca")}
    row = {"sample": "one", "group": "G", "counts": "x.h5ad", "organism": "human"}
    row |= {"tissue": "blood", "n_clusters": n_clusters}
    set_settings(adata, {**row, "samples": [row]})
    write_h5ad(adata, path)


def run_group(results: Path, *, n_clusters: int | str, detail: float = 0.5) -> Path:
    """Make the folder of a group as the pipeline does, its UMAP apart."""
    work, folder = results / "work", results / "groups" / "G"
    for place in (work, folder, results / "pipeline_info"):
        place.mkdir(parents=True)
    write_json(
        {"seed": 0, "only_pos": True, "seurat_compat": 4}, results / "pipeline_info/params.json"
    )
    with chdir(work):
        write_expression(Path("G.expression.h5ad"), n_clusters)
        files = {"prefix": "G", "expression": Path("G.expression.h5ad")}
        cluster(**files, cluster_detail=detail, method="consensus", stability_resamples=0)
        files["clustering"] = Path("G.clustering.h5ad")
        pca = ad.read_h5ad("G.expression.h5ad").obsm["X_pca"]
        barcodes = ad.read_h5ad("G.clustering.h5ad").obs_names
        umap = pd.DataFrame(pca[:, :2], columns=["umap_1", "umap_2"]).assign(barcode=barcodes)
        umap.to_csv("G.umap.tsv", sep="\t", index=False)
        markers(**files, only_pos=True, seurat_compat="4")
        celltypes(**files, markers_db=ROOT / "assets" / "markers")
        assemble(**files, umap=Path("G.umap.tsv"), annotation=Path("G.annotation.tsv"))
        for name in NAMES:
            shutil.move(f"G.{name}", folder / name)
        shutil.move("G.h5ad", folder)
    return folder


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    return run_group(tmp_path_factory.mktemp("results"), n_clusters="auto")


@pytest.fixture(scope="module")
def six(group):
    recut(group, n_clusters=6)
    return group.parent / "G.n_clusters_6"


def test_files_are_those_of_a_new_run_with_that_number(group, six, tmp_path):
    anew = run_group(tmp_path, n_clusters=6)
    for name in ("markers.tsv", "annotation.tsv", "composition.tsv", "training_history.tsv"):
        assert (six / name).read_bytes() == (anew / name).read_bytes(), name
    ours, theirs = (read_table(folder / "clusters.tsv", dtype=str) for folder in (six, anew))
    pd.testing.assert_frame_equal(
        ours.drop(columns="confidence"), theirs.drop(columns="confidence")
    )
    before, after = (read_json(folder / "clustering.json") for folder in (anew, six))
    own = {"notes", "seconds", "peak_memory_mb"}
    assert {key: after[key] for key in after if key not in own} == {
        key: before[key] for key in before if key not in own
    }
    assert any("cut anew" in note and "moved 0 cells" in note for note in after["notes"])


def test_clusters_nest_with_those_of_the_run(group, six):
    before, after = (
        read_table(folder / "clusters.tsv", dtype=str)["cluster"].to_numpy()
        for folder in (group, six)
    )
    assert len(set(before)) < len(set(after)) == 6
    assert nested(after, before)


def test_markers_are_those_of_the_labels_by_the_options_of_the_run(six):
    adata = ad.read_h5ad(six / "G.h5ad")
    found = find_markers(adata, only_pos=True, seurat_compat="4", exact=True)
    table = read_table(six / "markers.tsv", dtype={"cluster": str})
    pd.testing.assert_frame_equal(table, found.reset_index(drop=True), check_dtype=False)


def test_the_folder_has_what_a_group_has(group, six):
    assert {path.name for path in group.iterdir()} | {"figures", "metrics.json"} == {
        path.name for path in six.iterdir()
    }
    assert (six / "figures" / "umap_cluster.png").exists()
    metrics = read_json(six / "metrics.json")
    assert metrics["n_clusters"] == 6
    assert metrics["comparison"]["kmeans"]["n_clusters"] == 6
    before, after = ad.read_h5ad(group / "G.h5ad"), ad.read_h5ad(six / "G.h5ad")
    assert set(before.obs) == set(after.obs)
    assert before.uns.keys() == after.uns.keys()
    for one, other in ((before.X, after.X), (before.layers["counts"], after.layers["counts"])):
        assert (one != other).nnz == 0
    for key in ("X_pca", "X_umap", "X_scsiameseclu"):
        np.testing.assert_array_equal(before.obsm[key], after.obsm[key])
    assert (six / "G.h5ad").stat().st_size < 1.2 * (group / "G.h5ad").stat().st_size


def test_a_cut_at_the_own_detail_gives_the_own_files_and_the_same_bytes_twice(group, tmp_path):
    for name in ("a", "b"):
        recut(group, detail=0.5, output=tmp_path / name)
    for name in ("clusters.tsv", "markers.tsv", "annotation.tsv", "composition.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (group / name).read_bytes(), name
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file() and path.suffix != ".h5ad":
            assert (
                path.read_bytes()
                == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
            )


def test_nothing_is_written_over_and_nothing_is_left_behind(group, six):
    before = sorted(group.parent.iterdir())
    with pytest.raises(InputError, match="is not overwritten"):
        recut(group, n_clusters=6)
    with pytest.raises(InputError, match="the tree has"):
        recut(group, n_clusters=390)
    assert sorted(group.parent.iterdir()) == before


def copied(group: Path, folder: Path) -> Path:
    return Path(shutil.copytree(group, folder / "groups" / "G"))


def test_folders_that_are_no_result_are_refused(group, tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        recut(tmp_path / "nowhere", n_clusters=3)
    with pytest.raises(InputError, match="is not the result of a group"):
        recut(tmp_path, n_clusters=3)
    broken = copied(group, tmp_path)
    with h5py.File(broken / "G.h5ad", "r+") as file:
        new = file["uns"].create_group("new")
        new.attrs.update({"encoding-type": "of-tomorrow", "encoding-version": "9.0.0"})
    with pytest.raises(InputError, match=r"cannot be read: .*of-tomorrow"):
        recut(broken, n_clusters=3)
    (broken / "G.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        recut(broken, n_clusters=3)
    (broken / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no tree of clusters.*placed into an earlier result"):
        recut(broken, n_clusters=3)


@pytest.mark.parametrize("asked", [{}, {"n_clusters": 3, "detail": 0.5}])
def test_a_cut_needs_exactly_one_of_its_options(asked, tmp_path):
    with pytest.raises(InputError, match="Give one of --n_clusters and --detail") as raised:
        recut(tmp_path, **asked)
    assert raised.value.problems[0].where == "the command line"


def test_results_of_another_version_are_refused(group, tmp_path):
    other = copied(group, tmp_path)
    adata = ad.read_h5ad(other / "G.h5ad")
    adata.uns["scsiameseclu"]["versions"]["scsiameseclu"] = "0.0.9"
    adata.write_h5ad(other / "G.h5ad")
    with pytest.raises(InputError, match=r"of another version of the pipeline \(0\.0\.9"):
        recut(other, n_clusters=3)


def test_what_is_missing_is_named(group, tmp_path, capsys):
    moved = copied(group, tmp_path)
    (moved / "composition_test.tsv").touch()
    (tmp_path / "pipeline_info").mkdir()
    parameters = {"markers": "sets.tsv", "export": "seurat,h5mu,cellxgene"}
    write_json(parameters, tmp_path / "pipeline_info" / "params.json")
    with pytest.raises(InputError, match="is not found"):
        recut(moved, n_clusters=3)
    sets = tmp_path / "sets.tsv"
    sets.write_text("cell_type\tgene\nA\tgene1\nA\tgene2\nA\tgene3\nB\tgene4\nB\tgene5\nB\tgene6\n")
    recut(moved, n_clusters=3, markers=sets)
    assert len(read_table(moved.parent / "G.n_clusters_3" / "annotation.tsv")) == 3
    assert (moved.parent / "G.n_clusters_3" / "G.seurat.rds").stat().st_size > 1000
    assert (moved.parent / "G.n_clusters_3" / "cellxgene_missing.tsv").stat().st_size > 100
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("G: 3 clusters in place of 4, see ")
    assert second.endswith("this needs a run with --n_clusters: composition_test.tsv")
    assert third.startswith("There is no report: ")
    assert "software_versions.yml" in third


def test_the_command_tells_mistakes_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scsiameseclu", "recut", str(tmp_path), "--n_clusters", "3"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 65
    assert "is not the result of a group" in done.stderr
    assert "remedy" in done.stderr
    assert "Traceback" not in done.stderr
