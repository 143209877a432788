"""Samples found below a folder, and the samplesheet that is written of them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.intake import discovery
from scsiameseclu.intake.find_samples import find_samples
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.intake.sample_names import key_of, name_samples
from scsiameseclu.intake.samplesheet import read_samplesheet

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "assets" / "schema_input.json").read_text())


@pytest.fixture
def runs(tmp_path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def found(runs, tmp_path):
    """Return the result of a search: rows of the samplesheet by sample, and the listing."""

    def find(folder: Path = runs) -> tuple[dict[str, dict], str]:
        text, listing = find_samples(folder, schema=SCHEMA)
        sheet = tmp_path / "sheet.csv"
        sheet.write_text(text, encoding="utf-8")
        rows = read_samplesheet(sheet, schema=SCHEMA, defaults={}, paths={})
        return {row["sample"]: row for row in rows}, listing

    return find


def _move(file: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.move(file, to))


def test_outputs_of_each_program_are_found_and_can_be_read(
    runs, found, example, write_10x, write_mtx, write_kb
):
    (runs / "ranger/outs").mkdir(parents=True)
    write_10x(runs / "ranger/outs/filtered_feature_bc_matrix.h5")
    write_mtx(runs / "ranger_2/outs/filtered_gene_bc_matrices/hg19", version=2)
    write_mtx(runs / "star/star_1_Solo.out/Gene/filtered", zipped=False)
    write_kb(runs / "kb/kb_1/counts_unfiltered")
    example.adata().write_h5ad(runs / "islets.h5ad")
    with h5py.File(runs / "generic.h5", "w") as file:
        file["X"] = example.dense
    rows, listing = found()
    assert set(rows) == {"ranger", "ranger_2", "star_1", "kb_1", "islets", "generic"}
    for row in rows.values():
        assert read_matrix(Path(row["counts"])).matrix.shape == example.dense.shape
    assert "ranger: 10x HDF5, 12 barcodes x 7 genes" in listing
    assert "ranger_2: Matrix Market folder, 12 barcodes x 7 genes" in listing
    assert "islets: h5ad, 12 barcodes x 7 genes" in listing
    assert "generic: HDF5 with X, 12 barcodes x 7 genes" in listing


def test_alevins_matrix_is_found(runs, found, example, write_alevin):
    write_alevin(runs / "a/alevin")
    rows, listing = found()
    assert rows["a"]["counts"] == str(runs / "a/alevin")
    assert "a: alevin, 12 barcodes x 7 genes" in listing


def test_of_several_outputs_of_a_sample_filtered_is_taken_and_the_others_are_named(
    runs, found, write_mtx, write_10x
):
    outs = runs / "patient_1" / "outs"
    for kind in ("raw", "filtered"):
        write_mtx(outs / f"{kind}_feature_bc_matrix")
        write_10x(outs / f"{kind}_feature_bc_matrix.h5")
    rows, listing = found()
    assert {name: row["counts"] for name, row in rows.items()} == {
        "patient_1": str(outs / "filtered_feature_bc_matrix.h5")
    }
    others = ["filtered_feature_bc_matrix", "raw_feature_bc_matrix.h5", "raw_feature_bc_matrix"]
    for other in others:
        assert f"not taken: patient_1/outs/{other} (" in listing
    places = [listing.index(f"not taken: patient_1/outs/{other} (") for other in others]
    assert places == sorted(places)


def test_genes_come_before_whole_genes_and_junctions(runs, found, write_mtx):
    for kind in ("SJ/raw", "GeneFull/filtered", "GeneFull/raw", "Gene/raw", "Gene/filtered"):
        write_mtx(runs / "a" / "Solo.out" / kind)
    rows, _ = found()
    assert [row["counts"] for row in rows.values()] == [str(runs / "a/Solo.out/Gene/filtered")]


def test_a_folder_of_matrices_distinguished_by_prefixes(runs, found, write_mtx):
    for sample in ("GSM1_liver", "GSM2_lung"):
        write_mtx(runs, prefix=f"{sample}_")
    rows, _ = found()
    assert {name: Path(row["counts"]).name for name, row in rows.items()} == {
        "GSM1_liver": "GSM1_liver_matrix.mtx.gz",
        "GSM2_lung": "GSM2_lung_matrix.mtx.gz",
    }
    for row in rows.values():
        read_matrix(Path(row["counts"]))


def test_kbs_three_matrices_are_one_output(runs, found, write_kb, example):
    folder = write_kb(runs / "a/counts_unfiltered")
    for kind in ("mature", "nascent", "ambiguous"):
        shutil.copy(folder / "cells_x_genes.mtx", folder / f"cells_x_genes.{kind}.mtx")
    (folder / "cells_x_genes.mtx").unlink()
    (folder / "cellranger").mkdir()
    rows, _ = found()
    assert rows["a"]["counts"] == str(folder)
    assert read_matrix(folder).matrix.sum() == 3 * example.dense.sum()


def test_the_pooled_matrix_of_a_multiplexed_run_is_passed_over(runs, found, write_10x):
    outs = runs / "run" / "outs"
    for sample in ("s1", "s2"):
        (outs / "per_sample_outs" / sample / "count").mkdir(parents=True)
        write_10x(
            outs / "per_sample_outs" / sample / "count" / "sample_filtered_feature_bc_matrix.h5"
        )
    (outs / "multi/count").mkdir(parents=True)
    write_10x(outs / "multi/count/raw_feature_bc_matrix.h5")
    rows, listing = found()
    assert set(rows) == {"s1", "s2"}
    assert (
        "multi/count/raw_feature_bc_matrix.h5: all samples of a multiplexed run together" in listing
    )


FLEX = ("sample_filtered_feature_bc_matrix.h5", "sample_raw_probe_bc_matrix.h5")
OUTS = ("filtered_feature_bc_matrix.h5", "raw_feature_bc_matrix.h5", "raw_probe_bc_matrix.h5")
STAR = [f"{kind}/{part}" for kind in ("Gene", "GeneFull_Ex50pAS") for part in ("filtered", "raw")]
LAYOUTS = {
    "Flex, Cell Ranger 7": (
        [f"run/outs/per_sample_outs/{s}/count/{name}" for s in ("s1", "s2") for name in FLEX]
        + ["run/outs/multi/count/raw_feature_bc_matrix.h5"],
        {s: f"run/outs/per_sample_outs/{s}/count/{FLEX[0]}" for s in ("s1", "s2")},
    ),
    "Flex, Cell Ranger 10": (
        [f"run/outs/per_sample_outs/{s}/{name}" for s in ("s1", "s2") for name in FLEX]
        + [f"run/outs/{name}" for name in OUTS],
        {s: f"run/outs/per_sample_outs/{s}/{FLEX[0]}" for s in ("s1", "s2")},
    ),
    "Visium": ([f"a1/outs/{name}" for name in OUTS], {"a1": f"a1/outs/{OUTS[0]}"}),
    "probes and unfiltered": (
        [f"a1/outs/{name}" for name in OUTS[1:]],
        {"a1": f"a1/outs/{OUTS[1]}"},
    ),
    "STARsolo": (
        [f"{s}/Solo.out/{kind}" for s in ("s1", "s2") for kind in STAR],
        {s: f"{s}/Solo.out/Gene/filtered" for s in ("s1", "s2")},
    ),
    "Parse": (
        [f"{s}/DGE_{k}" for s in ("all-sample", "ctrl") for k in ("filtered", "unfiltered")],
        {"ctrl": "ctrl/DGE_filtered"},
    ),
    "Parse of one sample": (["a/all-well/DGE_filtered"], {"all-well": "a/all-well/DGE_filtered"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_sample_is_found_once(runs, found, write_10x, write_mtx, layout):
    outputs, expected = LAYOUTS[layout]
    for output in outputs:
        (runs / output).parent.mkdir(parents=True, exist_ok=True)
        (write_10x if output.endswith(".h5") else write_mtx)(runs / output)
    rows, listing = found()
    assert {name: row["counts"] for name, row in rows.items()} == {
        name: str(runs / path) for name, path in expected.items()
    }
    passed_over = listing.partition("Passed over:")[2]
    for output in set(outputs).difference(expected.values()):
        assert f"not taken: {output} (" in listing or f"  {output}: all samples" in passed_over


def test_of_a_folder_probes_are_not_read(example, write_10x, tmp_path):
    for name in OUTS[1:]:
        write_10x(tmp_path / name)
    assert f"'{OUTS[1]}' was read" in read_matrix(tmp_path).notes[0]


def test_the_folder_of_one_sample_gives_its_own_name(tmp_path, found, write_mtx):
    write_mtx(tmp_path / "patient_7" / "outs" / "filtered_feature_bc_matrix")
    for folder in ("patient_7", "patient_7/outs", "patient_7/outs/filtered_feature_bc_matrix"):
        assert set(found(tmp_path / folder)[0]) == {"patient_7"}


def test_names_tell_samples_of_one_name_apart_and_suit_the_sheet(runs, found, write_mtx):
    for folder in ("batch 1/s1", "batch 2/s1", "Größe/ä & ö", "S1"):
        write_mtx(runs / folder / "outs" / "filtered_feature_bc_matrix")
    assert set(found()[0]) == {"batch_1_s1", "batch_2_s1", "S1", "a_o"}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("s1/outs/filtered_feature_bc_matrix.h5", ("s1",)),
        ("s1/s1_raw_matrix.h5ad", ("s1",)),
        ("cellranger/count/s1/outs/raw_feature_bc_matrix", ("s1",)),
        ("star/s1/s1.Solo.out/GeneFull/raw", ("s1",)),
        ("alevin/s1_alevin_results/af_quant/alevin", ("s1",)),
        ("GSM5_lung_matrix.mtx.gz", ("GSM5_lung",)),
        ("filtered_feature_bc_matrix.h5", ()),
        ("3.0.0/pbmc_10k.v3.h5ad", ("3.0.0", "pbmc_10k.v3")),
    ],
)
def test_outputs_of_one_sample_have_one_key(path, key):
    assert key_of(Path(path)) == key


def test_names_are_unique_whatever_their_case():
    keys = [("x", "A"), ("y", "a"), ("é",), ("e",), ()]
    names = list(name_samples(keys, folder=Path("/data/runs")).values())
    assert names == ["A", "a_2", "e", "e_2", "sample"]


def test_the_organism_is_guessed(runs, found, example):
    for name, ids in (
        ("man", [f"ENSG{number:011d}" for number in range(30)]),
        ("mouse", [f"ENSMUSG{number:011d}" for number in range(30)]),
        ("fish", [f"ENSDARG{number:011d}" for number in range(30)]),
    ):
        with h5py.File(runs / f"{name}.h5", "w") as file:
            file["X"], file["gene_ids"] = np.ones((3, 30), dtype=int), np.array(ids, dtype="S")
            file["more"] = np.array(["GAPDH"] * 30, dtype="S")  # less certain than ids
    rows, listing = found()
    assert {name: row["organism"] for name, row in rows.items()} == {
        "man": "human",
        "mouse": "mouse",
        "fish": "other",
    }
    assert "mouse (30 of 30 genes, by id)" in listing


def test_matrices_are_not_loaded(runs, found, write_10x, monkeypatch):
    write_10x(runs / "a.h5")
    monkeypatch.setattr("scsiameseclu.intake.formats.tenx_hdf5.compressed", None)
    assert "12 barcodes x 7 genes" in found()[1]


@pytest.mark.parametrize("name", ['quo"te', "a, b", "it's; c", "$HOME", "*", "-x", "[1]"])
def test_paths_are_kept_by_the_samplesheet(runs, found, example, name):
    path = runs / f"{name}.h5ad"
    example.adata().write_h5ad(path)
    assert [row["counts"] for row in found()[0].values()] == [str(path)]


@pytest.mark.parametrize(
    "name", ["line\nbreak", "return\rb", "b\x1b[31m", os.fsdecode(b"not \xff utf-8")]
)
def test_a_path_that_a_samplesheet_cannot_hold_is_reported(runs, found, example, name):
    example.adata().write_h5ad(runs / "good.h5ad")
    shutil.copy(runs / "good.h5ad", runs / f"{name}.h5ad")
    rows, listing = found()
    assert set(rows) == {"good"}
    assert "a samplesheet cannot hold this path" in listing
    assert "\x1b" not in listing
    assert listing.encode()


def test_a_name_that_ends_in_a_blank_is_reported(runs, found, write_mtx):
    write_mtx(runs / "good")
    write_mtx(runs / "bad ")
    rows, listing = found()
    assert set(rows) == {"good"}
    assert "begins or ends with a blank" in listing


def test_links_are_followed_once(runs, found, write_mtx, tmp_path):
    write_mtx(tmp_path / "archive" / "s1")
    (runs / "a_linked").symlink_to(tmp_path / "archive" / "s1")
    (runs / "loop").symlink_to(runs)
    (runs / "nowhere").symlink_to(runs / "absent")
    (runs / "itself").symlink_to(runs / "itself")
    (runs / "again").symlink_to(tmp_path / "archive" / "s1" / "matrix.mtx.gz")
    rows, listing = found()
    assert list(rows) == ["a_linked"]
    assert "loop: a link to a folder that is searched already" in listing
    assert "nowhere: a link that leads to nothing" in listing
    assert "itself: a link that leads back to itself" in listing


def test_the_search_is_limited_and_reports_it(runs, found, example, monkeypatch):
    example.adata().write_h5ad(runs / "a.h5ad")
    for number in range(20):
        (runs / "many").mkdir(exist_ok=True)
        (runs / "many" / f"{number}.fastq.gz").write_bytes(b"@")
    deep = runs.joinpath("deep", *["d"] * discovery.DEEPEST)
    deep.mkdir(parents=True)
    monkeypatch.setattr(discovery, "MOST_FILES", 10)
    rows, listing = found()
    assert set(rows) == {"a"}
    assert f"more than {discovery.DEEPEST} folders deep" in listing
    assert "many: the search ended here, after 10 files: search a smaller folder" in listing


def test_unreadable_files_and_folders_are_reported(runs, found, example, monkeypatch):
    example.adata().write_h5ad(runs / "a.h5ad")
    (runs / "damaged.h5ad").write_bytes((runs / "a.h5ad").read_bytes()[:3000])
    (runs / "seurat.rds").write_bytes(b"RDX3\nX\n")
    (runs / "closed").mkdir()
    scan = os.scandir

    def closed(path):
        if path == runs / "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    rows, listing = found()
    assert set(rows) == {"a"}
    assert "closed: it cannot be read: Permission denied" in listing
    assert "seurat.rds: The file holds R objects" in listing
    assert "damaged.h5ad: The HDF5 file is" in listing


def test_one_damaged_file_does_not_stop_the_search(runs, found, example, monkeypatch):
    for name in ("a", "header", "links"):
        example.adata().write_h5ad(runs / f"{name}.h5ad")
    whole = (runs / "links.h5ad").read_bytes()
    # The tables of HDF5's groups: the file opens, but cannot be gone through.
    (runs / "links.h5ad").write_bytes(whole.replace(b"SNOD", b"XXXX").replace(b"TREE", b"XXXX"))
    columns = discovery.columns_of_text

    def strange(path, size):
        if path.stem == "header":
            raise RuntimeError("in a way of its own")
        return columns(path, size)

    monkeypatch.setattr(discovery, "columns_of_text", strange)
    rows, listing = found()
    assert set(rows) == {"a"}
    assert "links.h5ad: The HDF5 file is truncated or damaged: " in listing
    assert "header.h5ad: The input is damaged or incomplete: RuntimeError: 'in a way" in listing


def test_pipes_and_empty_files_are_left_alone(runs, found, example):
    example.adata().write_h5ad(runs / "a.h5ad")
    os.mkfifo(runs / "pipe.h5ad")
    (runs / "empty.h5ad").touch()
    assert set(found()[0]) == {"a"}


def test_results_of_this_pipeline_are_not_samples(runs, found, example):
    example.adata().write_h5ad(runs / "a.h5ad")
    adata = example.adata()
    adata.uns["settings"] = "{}"
    adata.write_h5ad(runs / "a.filtered.h5ad")
    with h5py.File(runs / "b.h5mu", "w") as file:
        file["mod/rna/uns/scsiameseclu/seed"] = 0
    (runs / "b.seurat.rds").write_bytes(gzip.compress(b"X\n\0\0\0\2"))
    rows, listing = found()
    assert {name: row["counts"] for name, row in rows.items()} == {"a": str(runs / "a.h5ad")}
    assert "a.filtered.h5ad: a result of this pipeline" in listing
    assert "b.h5mu: a result of this pipeline" in listing
    assert "b.seurat.rds: an R object, which is not opened here" in listing


def test_an_empty_search_reports_formats_and_folder(runs):
    (runs / "counts.csv").write_text("gene,a\nACTB,1\n")
    with h5py.File(runs / "molecule_info.h5", "w") as file:
        file["barcodes"] = [1]
    with pytest.raises(InputError) as error:
        find_samples(runs, schema=SCHEMA)
    (problem,) = error.value.problems
    assert problem.where == str(runs)
    assert "2 files in 1 folders were searched" in problem.what
    assert "STARsolo" in problem.what
    assert "counts.csv" in problem.what
    assert "folder above" in problem.remedy


def test_a_missing_folder_is_an_error(runs):
    with pytest.raises(InputError, match="no such folder"):
        find_samples(runs / "absent", schema=SCHEMA)


def test_the_command_prints_the_sheet_to_stdout_and_the_listing_to_stderr(runs, example):
    example.adata().write_h5ad(runs / "a.h5ad")
    done = subprocess.run(
        [sys.executable, "-m", "scsiameseclu", "samplesheet", "runs"],
        cwd=runs.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT / "bin")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"sample,counts,group,organism,tissue\na,{runs / 'a.h5ad'},,,\n"
    assert "a: h5ad, 12 barcodes x 7 genes" in done.stderr


def test_the_package_holds_the_schema_of_the_sheet():
    assert json.loads((ROOT / "bin/scsiameseclu/intake/schema_input.json").read_text()) == SCHEMA
