"""Hostile archives, packed files and HDF5: one clear refusal, bounded disk and memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import multiprocessing
import os
import resource
import tarfile
import zipfile
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse
from scsiameseclu.intake.formats import _bytes
from scsiameseclu.intake.read_counts import read_sample

from tests.intake.reading import refused

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    """Run where the working folder must be left empty."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield tmp_path / "cwd"
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.fixture
def small_room(monkeypatch):
    """Let small files unpack to 64 kB only, so that a bomb is quickly made."""
    monkeypatch.setattr(_bytes, "ROOM", 2**16)


def refused_within(path, *words, megabytes=1000):
    """Limit the memory of the rejection to a little more than the process has."""
    pipe, child = multiprocessing.Pipe()

    def attempt():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20,) * 2)
        try:
            read_sample(path, settings={"sample": "s"})
            child.send("it was read")
        except BaseException as error:
            child.send(f"{type(error).__name__}: {error}")

    process = multiprocessing.get_context("fork").Process(target=attempt)
    process.start()
    process.join()
    outcome = pipe.recv() if pipe.poll() else f"died with {process.exitcode}"
    assert outcome.startswith("InputError: ")
    for word in words:
        assert word.lower() in outcome.lower()


def tar(path, *members, mode="w"):
    """Write a tar archive of (name, content) or (TarInfo, content)."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is not None:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if content is not None else None)
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, str(target)
    return member, None


@pytest.fixture
def counts(example):
    return example.table().to_csv().encode()


# --- archives ---


def test_links_cannot_write_outside_the_archive(counts, example, tmp_path):
    """Not by links to folders, hard links, or names too long for a path check."""
    (tmp_path / "victim").write_text("untouched")
    deep = "/".join("d" * 247 + str(number) for number in range(16))
    steps = "/".join(["l" * 254] * 1)
    path = tar(
        tmp_path / "x.tar",
        ("counts.csv", counts),
        link("out", tmp_path),
        ("out/new", b"x"),
        link(steps, "../" * 40),
        link(f"{deep}/escape", "../" * 16 + steps),
        link("hard", "escape/../victim", tarfile.LNKTYPE),
        ("hard", b"overwritten"),
        link("device", "", tarfile.CHRTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
    )
    refused(path, "no matrix")  # several files; only the table holds counts
    assert (tmp_path / "victim").read_text() == "untouched"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["cwd", "victim", "x.tar"]


def test_links_in_an_archive_are_left_out_and_noted(counts, example, tmp_path):
    path = tar(tmp_path / "x.tar", link("aaa.csv", "/etc/passwd"), ("counts.csv", counts))
    adata, _ = read_sample(path, settings={})
    example.check(adata, ids=False)
    assert (
        "Entries other than regular files, such as links, were left out: 1" in adata.uns["intake"]
    )
    refused(tar(tmp_path / "y.tar", link("matrix.csv", "/etc/passwd")), "empty", "only 1 links")


def test_links_in_a_zip_are_not_followed(tmp_path):
    member = zipfile.ZipInfo("counts.csv")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    refused(tmp_path / "x.zip", "not a table")  # it is a file that holds a path


@pytest.mark.parametrize(
    "name", ["/a/x.csv", "a/./x.csv", "C:\\x\\x.csv", "new\nline\x01.csv", "n" * 250]
)
def test_names_in_archives_are_ours(counts, example, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, counts)
    for path in (tar(tmp_path / "x.tar", (name, counts)), tmp_path / "x.zip"):
        example.check(read_sample(path, settings={})[0], ids=False)


def test_files_added_to_archives_by_desktop_systems_are_ignored(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "s/filtered")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"s/{file.name}")
            archive.writestr(f"__MACOSX/s/._{file.name}", b"\0\5\x16\7")
            archive.writestr(f"s/._{file.name}", b"\0\5\x16\7")
        archive.writestr("s/.DS_Store", b"\0")
    example.check(read_sample(tmp_path / "x.zip", settings={})[0])


def test_two_files_of_one_name_are_refused(counts, tmp_path):
    refused(
        tar(tmp_path / "x.tar", ("a.csv", counts), ("./a.csv", counts)), "two files called 'a.csv'"
    )


def test_archive_that_is_a_file_and_a_folder(counts, tmp_path):
    refused(tar(tmp_path / "x.tar", ("a", counts), ("a/b", counts)))


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_tar_bombs(small_room, tmp_path, mode):
    path = tar(tmp_path / "x.tar", ("counts.csv", bytes(2**22)), mode=mode)
    refused(path, "unpack to more than")


def test_tar_bomb_in_a_header(small_room, tmp_path):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(2**22)))
    refused(tmp_path / "x.tar.gz")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_bombs(small_room, tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        for number in range(10):
            archive.writestr(f"{number}.csv", bytes(2**20))
    refused(tmp_path / "x.zip", "unpack to more than")


def test_zip_with_a_password(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", "x")
    content = bytearray((tmp_path / "x.zip").read_bytes())
    for magic, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + place] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    refused(tmp_path / "x.zip", "password", "unpack it yourself")


def test_more_files_than_any_matrix_has(monkeypatch, tmp_path):
    monkeypatch.setattr("scsiameseclu.intake.formats.archive.MOST", 5)
    refused(
        tar(tmp_path / "x.tar", *((f"{number}.csv", b"x") for number in range(7))),
        "more than 5 files",
    )


def test_full_disk_is_not_the_archive_s_fault(counts, tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    path = tar(tmp_path / "x.tar", ("counts.csv", counts))
    monkeypatch.setattr("scsiameseclu.intake.formats.archive._write", no_room)
    with pytest.raises(OSError, match="No space"):
        read_sample(path, settings={})


# --- single packed files ---


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_bombs(small_room, write_mtx, tmp_path, packer):
    bomb = PACKERS[packer](bytes(2**22))
    (tmp_path / "x").write_bytes(PACKERS[packer](b"\x89HDF\r\n\x1a\n" + bytes(2**22)))
    refused(tmp_path / "x", "unpack to more than")
    (tmp_path / "t").write_bytes(PACKERS[packer](b",A,B\n" + b"g,0,0\n" * 2**20))
    refused(tmp_path / "t", "unpack to more than")
    for name in ("barcodes.tsv", "features.tsv"):
        folder = write_mtx(tmp_path / name)
        (folder / f"{name}.gz").write_bytes(bomb)
        refused(folder, "unpack to more than")


def test_packed_matrix_market_bomb(small_room, write_mtx, tmp_path, monkeypatch):
    monkeypatch.setattr("scsiameseclu.intake.formats.matrix_market._ROOM", 2**16)
    folder = write_mtx(tmp_path)
    text = b"%%MatrixMarket matrix coordinate integer general\n7 12 9\n" + b"1 1 1\n" * 2**20
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(text))
    refused(folder, "damaged")  # it ends long before it is unpacked


def test_bombs_under_a_memory_limit(write_mtx, tmp_path):
    bomb = gzip.compress(bytes(2**20)) * 2000
    (tmp_path / "x.h5ad.gz").write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n") + bomb)
    refused_within(tmp_path / "x.h5ad.gz", "unpack to more than")
    folder = write_mtx(tmp_path / "m")
    (folder / "barcodes.tsv.gz").write_bytes(bomb)
    refused_within(folder, "unpack to more than")


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_twice_or_broken(example, tmp_path, packer):
    packed = PACKERS[packer](example.table().to_csv().encode())
    (tmp_path / "x").write_bytes(PACKERS[packer](packed))
    refused(tmp_path / "x", "packed twice", "unpack it once")
    (tmp_path / "y").write_bytes(packed[:8] + bytes(40) + packed[48:])
    refused(tmp_path / "y", "damaged")


# --- HDF5 ---


def fill(group, example, **replaced):
    """Write Cell Ranger's layout, changed by a function."""
    columns = sparse.csc_matrix(example.sparse.T)
    content = {
        "data": columns.data,
        "indices": columns.indices,
        "indptr": columns.indptr,
        "shape": columns.shape,
    }
    content |= {
        "barcodes": [name.encode() for name in example.barcodes],
        "features/id": np.array(example.ids, dtype="S"),
    }
    content |= {"features/name": np.array(example.symbols, dtype="S")}
    for name, values in content.items():
        if name in replaced:
            replaced[name](group, name)
        else:
            group[name] = values


@pytest.fixture
def secret(tmp_path):
    """Return another HDF5 file, which nobody gave as input."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["names"] = np.array([f"SECRET{number}" for number in range(12)], dtype="S")
    (tmp_path / "raw.bin").write_bytes(b"SECRET" * 40)
    return tmp_path / "secret.h5"


def test_hdf5_that_reads_other_files(example, secret, tmp_path):
    def external(group, name):
        group[name] = h5py.ExternalLink(secret, "/names")

    def virtual(group, name):
        layout = h5py.VirtualLayout((12,), dtype="S8")
        layout[:] = h5py.VirtualSource(secret, "names", (12,))
        group.create_virtual_dataset(name, layout)

    def stored(group, name):
        group.create_dataset(
            name, (12,), "S8", external=[(tmp_path / "raw.bin", 0, h5py.h5f.UNLIMITED)]
        )

    for how in (external, virtual, stored):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            fill(file.create_group("matrix"), example, barcodes=how)
        problem = refused(tmp_path / "x.h5", "from another file", "barcodes")
        assert "SECRET" not in str(problem)


def test_h5ad_with_an_external_link_anywhere(example, secret, tmp_path):
    example.adata().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        file["obs/label"] = h5py.ExternalLink(secret, "/names")
    refused(tmp_path / "x.h5ad", "from another file", "obs/label")


def huge(dtype, *, shape=(2**33,), chunks=(2**20,)):
    """Return what makes a dataset of this shape without content, which takes no space."""
    return lambda group, name: group.create_dataset(
        name, shape, dtype, chunks=chunks, maxshape=(None,), compression="gzip"
    )


@pytest.mark.parametrize(
    "replaced",
    [
        {"data": huge("i4"), "indices": huge("i8")},
        {"indptr": huge("i8")},
        {"barcodes": huge("S16")},
        {"features/name": huge("S1000", chunks=(1000,))},
        {"data": huge("i4", shape=(50,), chunks=(2**27,)), "indices": huge("i4", shape=(50,))},
    ],
)
def test_10x_hdf5_of_impossible_size(example, tmp_path, replaced):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        fill(file.create_group("matrix"), example, **replaced)
    refused_within(tmp_path / "x.h5", "cannot hold")


@pytest.mark.parametrize(
    "place", ["obs/label", "var/gene_ids", "obs/_index", "X/data", "layers/counts/indices"]
)
def test_h5ad_of_impossible_size(example, tmp_path, place):
    adata = example.adata()
    adata.layers["counts"] = adata.X.copy()
    adata.obs["label"] = 1.0
    adata.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        attributes = dict(file[place].attrs)
        del file[place]
        huge("S8" if "index" in place or "gene" in place else "f8")(file, place)
        file[place].attrs.update(attributes)
        if place == "X/data":
            del file["layers/counts"]
    refused_within(tmp_path / "x.h5ad")


@pytest.mark.parametrize("shape", [(2**40, 7), (12, 2**40), (2**62, 2**62), (-1, 7)])
@pytest.mark.parametrize("layout", ["csr_matrix", "csc_matrix"])
def test_sparse_of_impossible_shape(example, tmp_path, shape, layout):
    example.adata().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        file["X"].attrs["shape"], file["X"].attrs["encoding-type"] = shape, layout
        file.copy("X", file.create_group("plain"))
    with h5py.File(tmp_path / "x.h5ad") as file, h5py.File(tmp_path / "x.h5", "w") as plain:
        file.copy("X", plain)
    refused_within(tmp_path / "x.h5ad")
    refused_within(tmp_path / "x.h5")


@pytest.mark.parametrize("name", ["data", "indices", "indptr", "barcodes"])
@pytest.mark.parametrize("chunks", [(3,), None])
def test_hdf5_of_which_a_part_was_never_written(example, tmp_path, name, chunks):
    def unfinished(group, name):
        values = {
            "barcodes": np.array(example.barcodes, dtype="S"),
            "indptr": np.arange(13, dtype="i4"),
        }
        values = values.get(name, np.arange(example.sparse.nnz, dtype="i4"))
        dataset = group.create_dataset(name, values.shape, values.dtype, chunks=chunks)
        if chunks:
            dataset[:3] = values[:3]

    with h5py.File(tmp_path / "x.h5", "w") as file:
        fill(file.create_group("matrix"), example, **{name: unfinished})
    refused(tmp_path / "x.h5", "never written", name)


def test_compression_bomb_in_hdf5(tmp_path):
    """Zeros that fill 2 GB once they are unpacked are never held in memory."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        values = file.create_dataset("X/data", (2**28,), "f8", chunks=(2**22,), compression="gzip")
        indices = file.create_dataset(
            "X/indices", (2**28,), "i8", chunks=(2**22,), compression="gzip"
        )
        for start in range(0, 2**26, 2**22):
            values[start : start + 2**22], indices[start : start + 2**22] = 0, 0
        file["X/indptr"], file["X/shape"] = [0, 2**28], [1, 7]
    refused_within(tmp_path / "x.h5", "cannot hold")


@pytest.mark.parametrize("sizes", ["1099511627776 12 3", "7 1099511627776 3", "7 12 99999999"])
@pytest.mark.parametrize("kind", ["integer", "pattern"])
@pytest.mark.parametrize("zipped", [False, True])
def test_matrix_market_of_impossible_shape(write_mtx, tmp_path, sizes, kind, zipped):
    folder = write_mtx(tmp_path, zipped=zipped)
    entries = "1 1\n2 2\n3 3\n" if kind == "pattern" else "1 1 1\n2 2 1\n3 3 1\n"
    text = f"%%MatrixMarket matrix coordinate {kind} general\n{sizes}\n{entries}"
    name = next(folder.glob("matrix*"))
    name.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    refused_within(folder)


def test_zarr_that_leads_elsewhere_or_claims_too_much(example, write_zarr, tmp_path):
    write_zarr(example.adata(), tmp_path / "x.zarr")
    chunk = next(
        path
        for path in (tmp_path / "x.zarr/X/data").rglob("*")
        if path.is_file() and path.name[0] in "0c"
    )
    content = chunk.read_bytes()
    chunk.unlink()
    chunk.symlink_to("/etc/passwd")
    refused(tmp_path / "x.zarr", "link", "cp -rL")
    chunk.unlink()
    chunk.write_bytes(content)
    (tmp_path / "x.zarr/.zmetadata").unlink(missing_ok=True)
    said = json.loads((tmp_path / "x.zarr/X/data/.zarray").read_text())
    (tmp_path / "x.zarr/X/data/.zarray").write_text(json.dumps(said | {"shape": [2**40]}))
    refused_within(tmp_path / "x.zarr", "cannot hold")


# --- names ---

CONTROLS = ["\r", "\n", "\r\n", "\t", "\x07", "\x1b", "\x85", "\u2028", "\v", "\x0c", " "]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("kind", ["h5ad", "10x", "loom", "hdf5", "zarr", "h5mu"])
def test_control_characters_in_names(example, write_zarr, tmp_path, control, kind):
    """At the end they are dropped, within a name each is replaced; tables keep their lines."""
    plain, path = list(example.barcodes), tmp_path / "x"
    example.barcodes = [plain[0] + control, plain[1][:4] + control + plain[1][4:], *plain[2:]]
    if kind in ("h5ad", "zarr"):
        write_zarr(example.adata(), path) if kind == "zarr" else example.adata().write_h5ad(path)
    else:
        with h5py.File(path, "w") as file:
            cells, genes = (
                np.array(names, dtype=h5py.string_dtype())
                for names in (example.barcodes, example.symbols)
            )
            if kind == "10x":
                fill(
                    file.create_group("matrix"),
                    example,
                    barcodes=lambda group, name: group.create_dataset(name, data=cells),
                )
            elif kind == "loom":
                file["matrix"], file["row_attrs/Gene"], file["col_attrs/CellID"] = (
                    example.dense.T,
                    genes,
                    cells,
                )
            elif kind == "hdf5":
                file["X"], file["barcodes"], file["gene_names"] = example.dense, cells, genes
            else:
                ad.io.write_elem(file.create_group("mod"), "rna", example.adata())
    adata, _ = read_sample(path, settings={})
    np.testing.assert_array_equal(adata.X.toarray(), example.dense)
    assert adata.obs_names[0] == plain[0]
    assert all(len(name.splitlines()) == 1 and name == name.strip() for name in adata.obs_names)
    assert "control characters" in adata.uns["intake"]


def test_no_link_is_ever_made(tmp_path, counts, monkeypatch):
    for name in ("symlink", "link"):
        monkeypatch.setattr(os, name, lambda *_, **__: pytest.fail("a link was made"))
    read_sample(tar(tmp_path / "x.tar", link("a", "b"), ("c.csv", counts)), settings={})
