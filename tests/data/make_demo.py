"""Make the demo data: three small samples from a documented model, with their truth.

    python tests/data/make_demo.py [FOLDER]

The model, per sample. Cell ``i`` of type ``t`` and library size ``L_i ~ LogNormal`` has the
expected counts

    mu_ig = L_i * ((1 - a) * p_tg * b_g + a * q_g),       sum_g p_tg = 1, a = 0.03

where ``p_t`` is the type's profile (a base profile shared by all types, times a log-normal program
of its lineage and one of its own, plus its markers), ``b_g`` the sample's batch effect (log-normal,
sd 0.15 in the second blood sample, 1 elsewhere) and ``q`` the ambient profile (the mean over the
cells). Counts are zero-inflated negative binomial with gene-wise dispersion:

    x_ig ~ Poisson(Gamma(shape 1 / phi_g, mean mu_ig)), then 0 with probability 0.25 * exp(-mu_ig);
    phi_g ~ LogNormal

Planted in addition to the healthy singlets:

    doublet   two cells of different types in one droplet: 0.9 times the sum of their expected
    counts dying     library of 70 %, mitochondrial share drawn from 35 to 65 % empty     ambient
    counts only, 5 to 60 of them; the last one has none at all

Written per sample: the counts (a 10x MTX folder, a 10x HDF5 and an h5ad), ``<sample>.labels.csv``
(barcode, label: the type; the first type of a doublet; no row for an empty barcode) and
``<sample>.truth.csv`` (barcode, state, type, second_type). The bytes depend on nothing but this
script and the versions of the libraries that it uses.
"""

from __future__ import annotations

import gzip
import io
import sys
from dataclasses import dataclass, field
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from demo_genes import FAMILIES, HOUSEKEEPING, MITOCHONDRIAL, RIBOSOMAL  # noqa: E402

N_GENES = 1500
AMBIENT = 0.03
SHEET = """\
sample,counts,group,organism,tissue,labels,donor
blood_1,blood_1,blood,human,blood,blood_1.labels.csv,D1
blood_2,blood_2.h5,blood,human,blood,blood_2.labels.csv,D2
pancreas,pancreas.h5ad,pancreas,human,pancreas,pancreas.labels.csv,D3
"""


@dataclass(frozen=True)
class CellType:
    """A planted type: share of the cells, lineage, and per-mille counts of each marker."""

    share: float
    lineage: str
    markers: dict[str, float]


@dataclass(frozen=True)
class Sample:
    """What is drawn for one sample."""

    seed: int
    types: dict[str, CellType]
    n_singlets: int
    n_doublets: int
    n_dying: int
    n_empty: int
    median_library: float
    mitochondrial_share: float
    batch_sd: float = 0.0


@dataclass
class Drawn:
    """Counts (barcodes x genes) and the truth about every barcode."""

    counts: sparse.csr_matrix
    barcodes: list[str]
    truth: pd.DataFrame = field(repr=False)


def levels(**symbols: str) -> dict[str, float]:
    """Return per-mille shares by strength: ``"A B"`` strong 10, medium 4, weak 1.5, huge 70."""
    strength = {"huge": 70.0, "strong": 10.0, "medium": 4.0, "weak": 1.5}
    return {symbol: strength[level] for level, names in symbols.items() for symbol in names.split()}


T_CELL = levels(strong="CD3D CD3E IL32", medium="CD3G CD2 TRAC", weak="CD5 CD6 CD7 CD27")
CYTOTOXIC = levels(medium="CST7 CTSW CCL5 GZMA")
BLOOD = {
    "CD14 monocyte": CellType(
        0.34,
        "myeloid",
        levels(
            strong="LYZ S100A8 S100A9 CST3 TYROBP",
            medium="CD14 FCN1 VCAN LST1 AIF1 FCER1G CTSS S100A12 HLA-DRA CD74",
            weak="CD68 CSF3R MS4A6A CD4",
        ),
    ),
    "CD4 T cell": CellType(
        0.28, "T", T_CELL | levels(strong="IL7R LTB", medium="CCR7 LEF1 TCF7 CD4 MAL", weak="SELL")
    ),
    "B cell": CellType(
        0.17,
        "B",
        levels(
            strong="CD79A CD74 HLA-DRA",
            medium="MS4A1 CD79B BANK1 IGHM HLA-DQA1 HLA-DPB1 TCL1A",
            weak="CD19 IGHD CD22 FCER2 VPREB3 LINC00926",
        ),
    ),
    "CD8 T cell": CellType(
        0.13,
        "T",
        T_CELL | CYTOTOXIC | levels(strong="CD8A CD8B GZMK", medium="GZMH", weak="NKG7 KLRG1"),
    ),
    "NK cell": CellType(
        0.08,
        "NK",
        CYTOTOXIC
        | levels(
            strong="GNLY NKG7",
            medium="KLRD1 KLRF1 PRF1 GZMB FGFBP2 SPON2 TYROBP",
            weak="NCAM1 KLRC1 FCGR3A XCL2 CD7",
        ),
    ),
}
ENDOCRINE = levels(strong="CHGA PCSK1N SCG5", medium="CHGB SCG2")
PANCREAS = {
    "alpha": CellType(
        0.30,
        "endocrine",
        ENDOCRINE | levels(huge="GCG", strong="TTR", medium="LOXL4 IRX2 ARX GC", weak="FAP"),
    ),
    "beta": CellType(
        0.25,
        "endocrine",
        ENDOCRINE
        | levels(huge="INS", strong="IAPP", medium="MAFA PDX1 DLK1 ADCYAP1", weak="NKX6-1 SLC2A2"),
    ),
    "acinar": CellType(
        0.18,
        "exocrine",
        levels(
            strong="PRSS1 CPA1 CTRB1 CELA3A REG1A PRSS2 CTRB2",
            medium="CPB1 CPA2 PNLIP CELA2A REG1B CELA3B",
        ),
    ),
    "ductal": CellType(
        0.13,
        "exocrine",
        levels(
            strong="KRT19 SPP1", medium="KRT7 CFTR MMP7 KRT8 KRT18 SOX9 TACSTD2", weak="HNF1B ANXA4"
        ),
    ),
    "stellate": CellType(
        0.08,
        "mesenchymal",
        levels(
            strong="COL1A1 COL1A2 COL3A1 SPARC",
            medium="RGS10 COL6A3 TIMP1 LUM DCN",
            weak="PDGFRB THY1 BGN",
        ),
    ),
    "delta": CellType(
        0.06,
        "endocrine",
        ENDOCRINE | levels(huge="SST", strong="RBP4", medium="HHEX LEPR BCHE", weak="GHSR"),
    ),
}
SAMPLES = {
    "blood_1": Sample(1, BLOOD, 370, 24, 22, 8, median_library=2200, mitochondrial_share=0.05),
    "blood_2": Sample(
        2, BLOOD, 320, 18, 18, 6, median_library=1900, mitochondrial_share=0.06, batch_sd=0.15
    ),
    "pancreas": Sample(3, PANCREAS, 360, 22, 20, 8, median_library=2500, mitochondrial_share=0.07),
}


def gene_names() -> tuple[list[str], list[str]]:
    """Return symbols and ids of all genes, in an uninformative order, equal in all samples."""
    markers = [
        symbol for types in (BLOOD, PANCREAS) for kind in types.values() for symbol in kind.markers
    ]
    symbols = list(dict.fromkeys([*markers, *MITOCHONDRIAL, *RIBOSOMAL, *HOUSEKEEPING, *FAMILIES]))[
        :N_GENES
    ]
    symbols = [symbols[index] for index in np.random.default_rng(0).permutation(N_GENES)]
    return symbols, [
        MITOCHONDRIAL.get(symbol, f"ENSG00000{900000 + number}")
        for number, symbol in enumerate(symbols)
    ]


def base_profile(symbols: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return the expression common to all types (genes,): 0 for markers and mitochondria."""
    ribosomal, housekeeping, families = set(RIBOSOMAL), set(HOUSEKEEPING), set(FAMILIES)
    centre = [
        2.9 if s in ribosomal else 1.2 if s in housekeeping else -1.0 if s in families else -np.inf
        for s in symbols
    ]
    return np.exp(np.array(centre) + rng.normal(0, 0.9, len(symbols)))


def program(rng: np.random.Generator, *, share: float, sd: float) -> np.ndarray:
    """Return fold changes (genes,) that differ from 1 in a random `share` of the genes."""
    changed = rng.random(N_GENES) < share
    return np.exp(np.where(changed, rng.normal(0, sd, N_GENES), 0))


def profiles(
    symbols: list[str], types: dict[str, CellType], mitochondrial_share: float
) -> np.ndarray:
    """Return each type's profile (types x genes, rows sum to 1), for all samples of a tissue."""
    rng = np.random.default_rng(100)
    base = base_profile(symbols, rng)
    lineages = {
        name: program(rng, share=0.08, sd=0.8)
        for name in sorted({kind.lineage for kind in types.values()})
    }
    mitochondrial = np.isin(symbols, list(MITOCHONDRIAL)) * rng.lognormal(0, 0.6, N_GENES)
    rows = []
    for kind in types.values():
        own = np.array([kind.markers.get(symbol, 0.0) for symbol in symbols]) / 1000
        common = base * lineages[kind.lineage] * program(rng, share=0.05, sd=0.7)
        common *= (1 - mitochondrial_share - own.sum()) / common.sum()
        rows.append(common + own + mitochondrial * mitochondrial_share / mitochondrial.sum())
    return np.array(rows)


def draw(symbols: list[str], sample: Sample) -> Drawn:
    """Draw the counts of one sample from the model above."""
    rng = np.random.default_rng(sample.seed)
    profile = profiles(symbols, sample.types, sample.mitochondrial_share)
    profile *= np.exp(rng.normal(0, sample.batch_sd, N_GENES))
    profile /= profile.sum(axis=1, keepdims=True)
    shares = np.array([kind.share for kind in sample.types.values()])
    truth, first, second = plan(sample, shares / shares.sum(), rng)
    expected = profile[first]
    dying = (truth["state"] == "dying").to_numpy()
    expected[dying] = starve(expected[dying], symbols, rng)
    library = rng.lognormal(np.log(sample.median_library), 0.32, len(truth)) * np.where(
        dying, 0.7, 1
    )
    ambient = shares @ profile / shares.sum()
    mu = library[:, None] * ((1 - AMBIENT) * expected + AMBIENT * ambient)
    doublet = np.flatnonzero(truth["state"] == "doublet")
    partner = rng.lognormal(np.log(sample.median_library), 0.32, len(doublet))
    mu[doublet] = 0.9 * (mu[doublet] + partner[:, None] * profile[second[doublet]])
    counts = zero_inflated_negative_binomial(mu, rng)
    empty = np.flatnonzero(truth["state"] == "empty")
    counts[empty] = rng.poisson(
        np.append(rng.integers(5, 60, len(empty) - 1), 0)[:, None] * ambient
    )
    return shuffle(counts, truth, rng)


def plan(
    sample: Sample, shares: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the truth table, and each barcode's type and second type (of doublets)."""
    states = {
        "singlet": sample.n_singlets,
        "doublet": sample.n_doublets,
        "dying": sample.n_dying,
        "empty": sample.n_empty,
    }
    state = np.repeat(list(states), list(states.values()))
    names = np.array(list(sample.types))
    first = rng.choice(len(names), len(state), p=shares)
    second = (first + rng.integers(1, len(names), len(state))) % len(names)
    truth = pd.DataFrame({"state": state, "type": names[first], "second_type": names[second]})
    truth.loc[truth["state"] == "empty", "type"] = ""
    truth.loc[truth["state"] != "doublet", "second_type"] = ""
    return truth, first, second


def starve(expected: np.ndarray, symbols: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return profiles of dying cells: cytoplasmic RNA is lost, mitochondrial RNA stays."""
    mitochondrial = np.isin(symbols, list(MITOCHONDRIAL))
    share = rng.uniform(0.35, 0.65, len(expected))[:, None]
    before = expected[:, mitochondrial].sum(axis=1, keepdims=True)
    return np.where(mitochondrial, expected * share / before, expected * (1 - share) / (1 - before))


def zero_inflated_negative_binomial(mu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return counts (cells x genes) with mean `mu` before inflation."""
    phi = np.random.default_rng(101).lognormal(np.log(0.15), 0.5, mu.shape[1])
    counts = rng.poisson(rng.gamma(1 / phi, mu * phi))
    return np.where(rng.random(mu.shape) < 0.25 * np.exp(-mu), 0, counts)


def shuffle(counts: np.ndarray, truth: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Give the barcodes names and an uninformative order."""
    order = rng.permutation(len(truth))
    bases = rng.choice(list("ACGT"), (len(truth), 16))
    barcodes = ["".join(row) + "-1" for row in bases]
    truth = truth.iloc[order].reset_index(drop=True)
    truth.insert(0, "barcode", barcodes)
    return Drawn(sparse.csr_matrix(counts[order].astype(np.int32)), barcodes, truth)


def write_gzip(path: Path, text: str) -> None:
    """Write gzipped text without a time stamp."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def write_mtx_folder(
    drawn: Drawn,
    symbols: list[str],
    ids: list[str],
    folder: Path,
    *,
    types: list[str] | None = None,
) -> None:
    """Write a folder as Cell Ranger 3 and later do: genes x barcodes, sorted by barcode."""
    types = types or ["Gene Expression"] * len(ids)
    folder.mkdir(exist_ok=True)
    entries = drawn.counts.tocoo()
    table = np.column_stack([entries.col + 1, entries.row + 1, entries.data])
    lines = io.StringIO()
    np.savetxt(lines, table, fmt="%d")
    n_barcodes, n_genes = entries.shape
    header = (
        f"%%MatrixMarket matrix coordinate integer general\n{n_genes} {n_barcodes} {entries.nnz}\n"
    )
    write_gzip(folder / "matrix.mtx.gz", header + lines.getvalue())
    features = ["\t".join(row) + "\n" for row in zip(ids, symbols, types, strict=True)]
    write_gzip(folder / "features.tsv.gz", "".join(features))
    write_gzip(folder / "barcodes.tsv.gz", "".join(f"{barcode}\n" for barcode in drawn.barcodes))


def write_10x_hdf5(
    drawn: Drawn, symbols: list[str], ids: list[str], path: Path, *, types: list[str] | None = None
) -> None:
    """Write an HDF5 as Cell Ranger 3 and later do: CSC of genes x barcodes."""

    def text(values: list[str]) -> np.ndarray:
        return np.array(values, dtype="S")

    arrays = {
        "barcodes": text(drawn.barcodes),
        "data": drawn.counts.data,
        "indices": drawn.counts.indices.astype(np.int64),
        "indptr": drawn.counts.indptr.astype(np.int64),
        "shape": np.array(drawn.counts.shape[::-1], dtype=np.int32),
        "features/id": text(ids),
        "features/name": text(symbols),
        "features/feature_type": text(types or ["Gene Expression"] * len(ids)),
        "features/genome": text(["GRCh38"] * len(ids)),
        "features/_all_tag_keys": text(["genome"]),
    }
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        for name, values in arrays.items():
            matrix.create_dataset(
                name, data=values, compression="gzip", compression_opts=9, shuffle=True
            )


def write_h5ad(drawn: Drawn, symbols: list[str], ids: list[str], path: Path) -> None:
    """Write an AnnData with the counts in X."""
    adata = ad.AnnData(
        drawn.counts,
        obs=pd.DataFrame(index=drawn.barcodes),
        var=pd.DataFrame({"gene_ids": ids}, index=symbols),
    )
    adata.write_h5ad(path, compression="gzip")


def make(folder: Path) -> None:
    """Write all samples, their truth and the samplesheet into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    symbols, ids = gene_names()
    writers = {
        "blood_1": ("", write_mtx_folder),
        "blood_2": (".h5", write_10x_hdf5),
        "pancreas": (".h5ad", write_h5ad),
    }
    for name, (ending, write) in writers.items():
        drawn = draw(symbols, SAMPLES[name])
        write(drawn, symbols, ids, folder / f"{name}{ending}")
        drawn.truth.to_csv(folder / f"{name}.truth.csv", index=False, lineterminator="\n")
        labels = drawn.truth.loc[drawn.truth["type"] != "", ["barcode", "type"]]
        labels.to_csv(
            folder / f"{name}.labels.csv",
            index=False,
            header=["barcode", "label"],
            lineterminator="\n",
        )
    (folder / "samplesheet.csv").write_text(SHEET)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "demo")
