"""Damaged input: an InputError or the unchanged counts."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
from datetime import timedelta
from functools import partial

import anndata as ad
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io, sparse
from scsiameseclu.errors import InputError
from scsiameseclu.intake.read_counts import read_sample

pytestmark = pytest.mark.slow

fuzz = partial(
    settings,
    deadline=timedelta(seconds=60),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ODD_NAMES = [
    "a b",
    "'",
    '"',
    "new\nline",
    "$(rm -rf x)",
    "`x`",
    "-dash",
    "--help",
    "ü🧬",
    "a;b|c&d",
    "*?[x]",
    "#",
    "%s{}",
    "matrix.mtx.gz",
]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(tmp_path, monkeypatch):
    """Check that no test writes into the working folder or next to its input."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield
    assert list((tmp_path / "cwd").iterdir()) == []
    assert not [
        path for path in tmp_path.rglob("*") if path.name in ("evil", "core", "traceback.txt")
    ]


@pytest.fixture
def sources(example, write_mtx, write_kb, write_10x, write_alevin, write_zarr, tmp_path):
    """Paths of the same counts in every format, by the format's name."""
    folder = tmp_path / "sources"
    folder.mkdir()
    example.adata().write_h5ad(folder / "h5ad", compression="gzip")
    (folder / "h5ad.gz").write_bytes(gzip.compress((folder / "h5ad").read_bytes()))
    with h5py.File(folder / "h5mu", "w") as file:
        ad.io.write_elem(file.create_group("mod"), "rna", example.adata())
    example.table().to_csv(folder / "csv")
    example.table().to_csv(folder / "csv.gz", compression="gzip")
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "csv", "counts.csv")
    with tarfile.open(folder / "tar.gz", "w:gz") as archive:
        archive.add(folder / "csv", "counts.csv")
    with h5py.File(folder / "hdf5", "w") as file:
        file["X"] = example.dense
    with h5py.File(folder / "loom", "w") as file:
        file["matrix"] = example.dense.T
        file["row_attrs/Gene"] = [symbol.encode() for symbol in example.symbols]
        file["col_attrs/CellID"] = [barcode.encode() for barcode in example.barcodes]
    nac = write_kb(folder / "nac", matrix=example.sparse * 0)
    (nac / "cells_x_genes.mtx").rename(nac / "cells_x_genes.nascent.mtx")
    for kind in ("mature", "ambiguous"):
        shutil.copy(nac / "cells_x_genes.nascent.mtx", nac / f"cells_x_genes.{kind}.mtx")
    io.mmwrite(nac / "cells_x_genes.mature.mtx", sparse.coo_matrix(example.sparse))
    return {
        "alevin": write_alevin(folder / "alevin"),
        "h5ad.gz": folder / "h5ad.gz",
        "h5mu": folder / "h5mu",
        "zarr": write_zarr(example.adata(), folder / "zarr"),
        "zip": folder / "zip",
        "tar.gz": folder / "tar.gz",
        "hdf5": folder / "hdf5",
        "loom": folder / "loom",
        "kb nac": nac,
        "10x v2": write_10x(folder / "v2.h5", version=2),
        "10x v3": write_10x(folder / "v3.h5"),
        "mtx": write_mtx(folder / "mtx", zipped=False),
        "mtx.gz": write_mtx(folder / "mtxgz"),
        "kb": write_kb(folder / "kb"),
        "h5ad": folder / "h5ad",
        "csv": folder / "csv",
        "csv.gz": folder / "csv.gz",
    }


def copy(source, target):
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return (
        sorted(path for path in target.rglob("*") if path.is_file())
        if target.is_dir()
        else [target]
    )


def outcome(path):
    """Return the counts, or None if they were refused in the way that all refusals have."""
    try:
        return read_sample(path, settings={})[0]
    except InputError as error:
        assert all(problem.what and problem.where and problem.remedy for problem in error.problems)
        assert "\n" not in error.problems[0].what
        return None


@fuzz(max_examples=60)
@given(data=st.data())
def test_truncated(sources, example, tmp_path, data):
    kind = data.draw(st.sampled_from(sorted(sources)))
    file = data.draw(st.sampled_from(copy(sources[kind], tmp_path / "x")))
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    adata = outcome(tmp_path / "x")
    if adata is None:
        return
    n_cells, n_genes = adata.shape
    # Cut between two rows, a table has fewer rows; cut within its last number, another number.
    if kind == "csv":
        n_cells -= 1
    elif n_genes < example.dense.shape[1]:  # the last feature's type was cut
        assert "left out" in adata.uns["intake"]
    else:
        assert adata.shape == example.dense.shape
    np.testing.assert_array_equal(adata.X.toarray()[:n_cells], example.dense[:n_cells, :n_genes])


@fuzz(max_examples=300)
@given(data=st.data())
def test_bits_flipped(sources, example, tmp_path, data):
    kind = data.draw(st.sampled_from(sorted(sources)))
    file = data.draw(st.sampled_from(copy(sources[kind], tmp_path / "x")))
    content = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(bytes(content))
    adata = outcome(tmp_path / "x")
    if adata is not None:
        assert adata.X.data.min() > 0
    # Their checksums show changes.
    if adata is not None and kind in ("mtx.gz", "csv.gz", "tar.gz", "zip", "h5ad.gz"):
        np.testing.assert_array_equal(adata.X.toarray(), example.dense)


@fuzz(max_examples=60)
@given(data=st.data())
def test_lines_of_text(sources, example, tmp_path, data):
    """Lines dropped, repeated, swapped or lengthened: refused, or every count is in place."""
    kind = data.draw(st.sampled_from(["mtx", "kb", "csv", "alevin"]))
    files = [file for file in copy(sources[kind], tmp_path / "x") if file.suffix != ".gz"]
    file = data.draw(st.sampled_from(files))
    lines = file.read_text().splitlines(keepends=True)
    place, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    change = data.draw(st.sampled_from(["drop", "double", "swap", "join", "blank"]))
    if change == "swap":
        lines[place], lines[other] = lines[other], lines[place]
    else:
        new = {
            "drop": "",
            "double": lines[place] * 2,
            "join": lines[place].rstrip() + lines[other],
            "blank": "\n",
        }
        lines[place] = new[change]
    file.write_text("".join(lines))
    adata = outcome(tmp_path / "x")
    # Names or rows in another order.
    if adata is not None and change == "swap" and "mtx" not in file.name:
        assert adata.X.sum() == example.dense.sum()


@fuzz(max_examples=40)
@given(data=st.data())
def test_wrong_dimensions(sources, tmp_path, data):
    """A matrix that has not the dimensions that its names or its header give it is refused."""
    kind = data.draw(st.sampled_from(["mtx", "kb", "kb nac", "10x v2", "10x v3", "loom", "h5ad"]))
    grown = data.draw(st.sampled_from([-1, 1, 1000, 2**40]))
    files = copy(sources[kind], tmp_path / "x")
    if kind in ("mtx", "kb", "kb nac"):
        file = next(
            file for file in files if file.suffix == ".mtx" and "ambiguous" not in file.name
        )
        lines = file.read_text().splitlines(keepends=True)
        place = next(number for number, line in enumerate(lines) if not line.startswith("%"))
        sizes = [int(size) for size in lines[place].split()]
        which = data.draw(st.integers(0, 2))
        sizes[which] = max(sizes[which] + grown, 0)
        lines[place] = " ".join(map(str, sizes)) + "\n"
        file.write_text("".join(lines))
    else:
        with h5py.File(files[0], "r+") as file:
            name = {"loom": "matrix", "h5ad": "X"}.get(kind) or next(iter(file))
            _resize(file, name, data.draw(st.integers(0, 1)), grown)
    assert outcome(tmp_path / "x") is None


def _resize(file, name, which, grown):
    """Change one of the two dimensions that a matrix in HDF5 has, or says it has."""
    matrix = file[name]
    if isinstance(matrix, h5py.Dataset):
        shape = list(matrix.shape)
        shape[which] += min(grown, 1000)
        values = np.resize(matrix[()], shape)
        del file[name]
        file[name] = values
    elif "shape" in matrix:
        matrix["shape"][which] = max(int(matrix["shape"][which]) + min(grown, 2**30), 0)
    else:
        shape = matrix.attrs["shape"]
        shape[which] = max(shape[which] + grown, 0)
        matrix.attrs["shape"] = shape


@fuzz(max_examples=25)
@given(
    value=st.sampled_from(
        [np.nan, np.inf, -np.inf, -1.0, -0.5, 0.5, 1e-300, 1e300, 2.0**53 + 2, 2.0**31, 3.0]
    ),
    kind=st.sampled_from(["h5ad", "dense h5ad", "csv", "mtx"]),
    place=st.tuples(st.integers(0, 11), st.integers(0, 6)),
)
def test_values(example, write_kb, tmp_path, value, kind, place):
    dense = example.dense.astype(float)
    dense[place] = value
    path = tmp_path / "x"
    if kind == "csv":
        table = example.table().astype(float)
        table.iloc[place] = value
        table.to_csv(path)
    elif kind == "mtx":
        path = write_kb(tmp_path / "kb", matrix=dense)
    else:
        adata = example.adata()
        adata.X = dense if kind == "dense h5ad" else type(adata.X)(dense)
        adata.write_h5ad(path)
    found = outcome(path)
    assert (found is not None) == (value in (3.0, 2.0**31))
    if found is not None:
        np.testing.assert_array_equal(found.X.toarray(), dense)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_of_files(sources, example, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for kind in ("10x v3", "mtx.gz", "h5ad", "csv"):
        copy(sources[kind], tmp_path / name)
        example.check(outcome(tmp_path / name), ids=kind != "csv")


@fuzz(max_examples=25)
@given(names=st.lists(st.text(max_size=20), min_size=12, max_size=12))
def test_odd_names_of_cells(example, tmp_path, names):
    adata = example.adata()
    adata.obs_names = [name.encode(errors="replace").decode().replace("\0", "") for name in names]
    adata.write_h5ad(tmp_path / "x")
    found = outcome(tmp_path / "x")
    np.testing.assert_array_equal(found.X.toarray(), example.dense)
    assert found.obs_names.is_unique
    found.write_h5ad(tmp_path / "y")


@fuzz(max_examples=40)
@given(
    kind=st.sampled_from(["mtx", "kb", "csv", "alevin"]),
    control=st.sampled_from("\r\t\v\f\x07\x1b\x1c\x85\u2028\u00a0\x00"),
    data=st.data(),
)
def test_control_characters_in_lists_of_names(sources, example, tmp_path, kind, control, data):
    """In a list or table of text they are rejected or removed; no later name has any."""
    copy(sources[kind], tmp_path / "x")
    names = {
        "mtx": "barcodes.tsv",
        "kb": "cells_x_genes.barcodes.txt",
        "alevin": "quants_mat_rows.txt",
    }
    file = tmp_path / "x" / names[kind] if kind in names else tmp_path / "x"
    barcode = data.draw(st.sampled_from(example.barcodes))
    place = data.draw(st.integers(0, len(barcode)))
    text = file.read_bytes().decode()
    file.write_bytes(text.replace(barcode, barcode[:place] + control + barcode[place:]).encode())
    adata = outcome(tmp_path / "x")
    if adata is not None:
        assert adata.n_obs == len(example.barcodes)
        assert all(len(name.splitlines()) == 1 and name == name.strip() for name in adata.obs_names)


@pytest.mark.parametrize("kind", ["mtx", "kb", "alevin"])
@pytest.mark.parametrize("harm", ["loop", "nowhere", "empty", "pipe", "folder"])
def test_unsupported_files_are_rejected(sources, tmp_path, kind, harm):
    for file in copy(sources[kind], tmp_path / "x"):
        content = file.read_bytes()
        file.unlink()
        if harm in ("loop", "nowhere"):
            file.symlink_to(file if harm == "loop" else tmp_path / "nowhere")
        elif harm == "pipe":
            os.mkfifo(file)
        else:
            file.mkdir() if harm == "folder" else file.touch()
        if "names" not in file.name:  # symbols are not needed
            assert outcome(tmp_path / "x") is None
        file.rmdir() if harm == "folder" else file.unlink()
        file.write_bytes(content)
    assert outcome(tmp_path / "x") is not None


def test_links_in_a_loop(sources, example, tmp_path):
    """A link to itself is refused; one within a folder that leads back up is not followed."""
    (tmp_path / "x").symlink_to(tmp_path / "x")
    assert outcome(tmp_path / "x") is None
    (tmp_path / "x").unlink()
    (tmp_path / "x").mkdir()
    copy(sources["mtx"], tmp_path / "x/y")
    (tmp_path / "x/y/up").symlink_to(tmp_path / "x")
    example.check(outcome(tmp_path / "x"))


@fuzz(max_examples=40)
@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", b"%%MatrixMarket ", b"PK\3\4", b"\x1f\x8b"]),
)
def test_any_bytes(tmp_path, content, start):
    (tmp_path / "x").write_bytes(start + content)
    outcome(tmp_path / "x")
