"""Make two small samples with proteins, hashtags and guides, and their truth.

    python tests/data/make_multimodal.py FOLDER

Genes are those of the demo's blood samples (make_demo.py). Beside them, per barcode:

    protein   Poisson(Gamma(shape 4)) with a mean of 6 (background) or, of the proteins of its type,
    200 hashtag   the same with 8 or, of its own, 300; one in twenty cells has none; a doublet has
    those of two cells guide     Poisson(0.1) or, of its own, Poisson(30); one in five cells has
    none, one in ten two

``pool`` is an HDF5 with four hashtags of type Antibody Capture, ``screen`` an MTX folder with three
of type Multiplexing Capture, with guides, and with another panel of proteins.
``<sample>.truth.csv`` has the state, type, hashtag, second_hashtag and guide of each barcode.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import make_demo  # noqa: E402

T_CELLS = {"CD4 T cell", "CD8 T cell"}
PROTEINS = {
    "CD3": T_CELLS,
    "CD4": {"CD4 T cell"},
    "CD8a": {"CD8 T cell"},
    "CD19": {"B cell"},
    "CD14": {"CD14 monocyte"},
    "CD56": {"NK cell"},
    "HLA-A/B/C": set(make_demo.BLOOD),
    "IgG1": set(),
}
"""Protein -> the types that have it."""
HASHTAGS = {"pool": ["HTO_1", "HTO_2", "HTO_3", "HTO_4"], "screen": ["CMO301", "CMO302", "CMO303"]}
GUIDES = ["GATA1_g1", "SPI1_g1", "NT_g1"]
SOURCES = {"pool": "blood_1", "screen": "blood_2"}
LACKING = {"pool": {"CD56"}, "screen": {"CD14"}}
"""Sample -> proteins that are not in its panel."""
SHEET = """\
sample,counts,group,organism,tissue,hashtags
pool,pool.h5,blood,human,blood,HTO_1=donor_a;HTO_2=donor_b;HTO_3=donor_c;HTO_4=donor_d
screen,screen,blood,human,blood,
"""


def stained(own: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Return counts of tags, `low` on average or, for each cell that has it once, `high` more."""
    mean = low + high * own
    return rng.poisson(rng.gamma(4.0, mean / 4.0))


def proteins(truth: pd.DataFrame, names: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return counts of proteins (barcodes x proteins); empty droplets have background only."""
    own = [
        [(kind in PROTEINS[name]) + (second in PROTEINS[name]) for name in names]
        for kind, second in _types(truth)
    ]
    return stained(np.array(own, dtype=float), 6.0, 200.0, rng)


def _types(truth: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(truth["type"], truth["second_type"], strict=True))


def hashtags(truth: pd.DataFrame, names: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return counts of hashtags, and write into `truth` which each barcode has."""
    first, second = rng.integers(len(names), size=(2, len(truth)))
    has_one = (truth["state"] != "empty").to_numpy() & (rng.random(len(truth)) >= 0.05)
    has_two = has_one & (truth["state"] == "doublet").to_numpy()
    own = (
        has_one[:, None] * np.eye(len(names))[first] + has_two[:, None] * np.eye(len(names))[second]
    )
    truth["hashtag"] = np.where(has_one, np.array(names)[first], "")
    truth["second_hashtag"] = np.where(has_two, np.array(names)[second], "")
    return stained(own, 8.0, 300.0, rng)


def guides(truth: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return counts of guides, and write into `truth` which each barcode has, joined by ``|``."""
    n_own = np.where(
        truth["state"] == "empty", 0, rng.choice([0, 1, 2], len(truth), p=[0.2, 0.7, 0.1])
    )
    own = np.array([rng.permutation(len(GUIDES)) < count for count in n_own])
    truth["guide"] = ["|".join(np.array(GUIDES)[row]) for row in own]
    return rng.poisson(np.where(own, 30.0, 0.1))


def draw(name: str) -> tuple[make_demo.Drawn, list[str], list[str], list[str]]:
    """Return a sample with all of its features, their ids, names and types."""
    symbols, ids = make_demo.gene_names()
    drawn = make_demo.draw(symbols, make_demo.SAMPLES[SOURCES[name]])
    rng = np.random.default_rng(7)
    panel = [protein for protein in PROTEINS if protein not in LACKING[name]]
    counts = [proteins(drawn.truth, panel, rng), hashtags(drawn.truth, HASHTAGS[name], rng)]
    names, types = [*panel, *HASHTAGS[name]], ["Antibody Capture"] * len(panel)
    types += ["Antibody Capture" if name == "pool" else "Multiplexing Capture"] * len(
        HASHTAGS[name]
    )
    if name == "screen":
        counts.append(guides(drawn.truth, rng))
        names, types = [*names, *GUIDES], [*types, *["CRISPR Guide Capture"] * len(GUIDES)]
    matrix = sparse.hstack(
        [drawn.counts, *map(sparse.csr_matrix, counts)], format="csr", dtype=np.int32
    )
    whole = make_demo.Drawn(matrix, drawn.barcodes, drawn.truth)
    return whole, [*ids, *names], [*symbols, *names], ["Gene Expression"] * len(ids) + types


def with_droplets(drawn: make_demo.Drawn, n_droplets: int) -> make_demo.Drawn:
    """Return a sample with empty droplets, 40 counts of the mean of all barcodes in each."""
    rng = np.random.default_rng(11)
    profile = np.asarray(drawn.counts.sum(axis=0)).ravel() / drawn.counts.sum()
    droplets = sparse.csr_matrix(rng.poisson(40 * profile, (n_droplets, len(profile))))
    counts = sparse.vstack([drawn.counts, droplets], format="csr", dtype=np.int32)
    letters = np.array(list("ACGT"))[rng.integers(4, size=(n_droplets, 15))]
    barcodes = [*drawn.barcodes, *(f"N{''.join(row)}-1" for row in letters)]
    return make_demo.Drawn(counts, barcodes, drawn.truth)


def make(folder: Path, *, n_droplets: int = 0) -> None:
    """Write both samples, their truth and the samplesheet into `folder`.

    ``screen`` has so many empty droplets besides, which are not in its truth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        "pool": ("pool.h5", make_demo.write_10x_hdf5),
        "screen": ("screen", make_demo.write_mtx_folder),
    }
    for name, (file, write) in writers.items():
        drawn, ids, symbols, types = draw(name)
        if name == "screen":
            drawn = with_droplets(drawn, n_droplets)
        write(drawn, symbols, ids, folder / file, types=types)
        drawn.truth.to_csv(folder / f"{name}.truth.csv", index=False, lineterminator="\n")
    (folder / "samplesheet.csv").write_text(SHEET)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
