"""Formats that only other programs can read: the message says how to convert them."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..counts import Counts
from ._bytes import head
from ._hdf5 import members

NAME = "another program's format"
ASKED = "first"
_R_REMEDY = "Load it in R and save the Seurat object or SingleCellExperiment: saveRDS(x, 'x.rds')."
_R_STARTS = (
    *(b"A\n2\n", b"A\n3\n", b"B\n\x02\0", b"B\n\x03\0"),
    *(b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n"),
)
_VCF = b"##fileformat=VCF"
_PACKED = {
    b"\x28\xb5\x2f\xfd": ("is packed with Zstandard", "zstd -d, unzstd"),
    b"\x04\x22\x4d\x18": ("is packed with LZ4", "lz4 -d"),
    b"\x1f\x9d": ("is packed with compress", "uncompress"),
    b"7z\xbc\xaf\x27\x1c": ("is a 7-Zip archive", "7z x"),
    b"Rar!\x1a\x07": ("is a RAR archive", "unrar x"),
}
"""What a packed file that begins so is, and what unpacks it."""
_FEATHER = "is a Feather table", "Write it as text: pandas.read_feather(x).to_csv('x.csv.gz')."
_PICKLE = (
    "is a Python pickle, which can hold programs",
    "Write the matrix in it as .h5ad with anndata.",
)
_READS = "holds reads, not counts", "Count them first (Cell Ranger, STARsolo, kb, alevin-fry)."
_STARTS = {
    **{
        magic: (what, f"Unpack it and give the file or folder inside ({how}).")
        for magic, (what, how) in _PACKED.items()
    },
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "is a spreadsheet",
        "Save the sheet as CSV (UTF-8) and give that file.",
    ),
    b"PAR1": ("is a Parquet table", "Write it as text: pandas.read_parquet(x).to_csv('x.csv.gz')."),
    **dict.fromkeys((b"ARROW1", b"FEA1"), _FEATHER),
    b"\x93NUMPY": (
        "is a NumPy array, without names of cells and genes",
        "Write it as .h5ad: anndata.AnnData(numpy.load(x), obs, var).",
    ),
    b"MATLAB 5.0": (
        "is a MATLAB file",
        "Write it as Matrix Market with lists of barcodes and genes: scipy.io.mmwrite.",
    ),
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    **dict.fromkeys((b"BAM\1", b"CRAM"), _READS),
    _VCF: ("holds variants, not counts", "Give the gene count matrix."),
}
"""What a file that begins so is, and what to do about it."""
_HDF5 = {
    ("assays", "cell.names"): ("is h5Seurat, which only R can read", _R_REMEDY),
    ("barcode_idx", "feature_idx", "umi"): (
        "is Cell Ranger's molecule information",
        "Give filtered_feature_bc_matrix.h5, which lies beside it.",
    ),
}
"""The same of HDF5 with these names at its top."""
_TILEDB = (
    "is a TileDB-SOMA experiment",
    "Write it as .h5ad: tiledbsoma.io.to_h5ad(experiment, 'x.h5ad', ...).",
)
_BPCELLS = "is a BPCells matrix", "Write it in R: BPCells::write_matrix_anndata_hdf5(x, 'x.h5ad')."
_FOLDERS = {
    **dict.fromkeys(("__tiledb_group.tdb", "__tiledb"), _TILEDB),
    **dict.fromkeys(("index_data", "val_data"), _BPCELLS),
}
"""The same of a folder that holds this."""


def recognizes(path: Path) -> bool:
    """Return whether there is a known remedy for `path`."""
    return _remedy(path) is not None


def read(path: Path) -> Counts:
    """Refuse the file with the way to convert it."""
    what, remedy = _remedy(path) or ("", "")
    raise InputError.of(what=what, where=path, remedy=remedy)


def _remedy(path: Path) -> tuple[str, str] | None:
    if path.is_dir():
        found = next((known for name, known in _FOLDERS.items() if (path / name).exists()), None)
        return (f"The folder {found[0]}.", found[1]) if found else None
    start = head(path)
    if start.startswith(_R_STARTS):
        return "The file holds R objects, but was not written by saveRDS.", _R_REMEDY
    if path.name == "quants_tier_mat.gz":
        return (
            "The file holds alevin's tiers, not counts.",
            "Give the folder, or quants_mat.gz beside it.",
        )
    if start.startswith(b"@") and b"\n+" in start:
        return "The file holds reads, not counts.", _READS[1]
    known = next((known for magic, known in _STARTS.items() if start.startswith(magic)), None)
    if known and b"\0" not in start and not start.startswith((_VCF, b"\x80", *_PACKED)):
        known = None  # a table whose first gene is CRAMP1
    top = set(members(path))
    known = known or next((known for names, known in _HDF5.items() if top.issuperset(names)), None)
    return (f"The file {known[0]}.", known[1]) if known else None
