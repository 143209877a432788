"""Files for other tools, read back by us and by R, if R is installed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.export import export
from scsiameseclu.annotation.r_objects.seurat import feature_names
from scsiameseclu.annotation.r_objects.writing import by_cell, text
from scsiameseclu.errors import InputError
from scsiameseclu.files import write_h5ad
from scsiameseclu.intake.formats import _r_objects as r
from scsiameseclu.intake.formats import read_matrix

from tests.r import run_r

GENES = ["CD3D", "HLA-A/B", 'a "quoted" gene', "it's", "ζ_β", "A|B", "A_B", "back\\slash", "<b>&"]
TYPES = ['T "cell" / ünï', "it's <b>", "日本 'x'"]
N_CELLS = 40


def annotated(*, proteins: bool = True) -> ad.AnnData:
    """Return a group with hostile names, half of whose cells were measured for one protein."""
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (N_CELLS, len(GENES))).astype(np.int32))
    codes = np.arange(N_CELLS) % 12
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(np.where(codes % 2, "s'1", 's"2/ü')),
            "cluster": pd.Categorical(codes.astype(str), [str(n) for n in range(12)]),
            "cluster_coarse": pd.Categorical((codes % 3).astype(str)),
            "cell_type": pd.Categorical([TYPES[code % 3] for code in codes]),
            "label": pd.Categorical(["x" if code else None for code in codes]),
            "score": np.where(codes == 1, np.nan, codes / 7),
            "doublet": codes == 2,
        },
        index=[f"s'1_ü\"{n}/AC-1" for n in range(N_CELLS)],
    )
    var = pd.DataFrame(
        {
            "gene_ids": [f"ENSG{n:011d}" for n in range(len(GENES))],
            "highly_variable": [True] * 5 + [False] * 4,
            "dispersions_norm": [1.0, 5.0, 3.0, 4.0, 2.0, 9.0, 9.0, 9.0, 9.0],
        },
        index=GENES,
    )
    adata = ad.AnnData(counts.astype(np.float32).log1p(), obs=obs, var=var)
    adata.layers["counts"] = counts
    for name, size in (("X_pca", 4), ("X_scsiameseclu", 3), ("X_umap", 2)):
        adata.obsm[name] = rng.normal(size=(N_CELLS, size)).astype(np.float32)
    adata.varm["PCs"] = rng.normal(size=(len(GENES), 4))
    if proteins:
        values = pd.DataFrame(
            rng.poisson(3.0, (N_CELLS, 3)), obs.index, ["CD3", "CD_4 x", "ü'"]
        ).astype(np.float32)
        values.iloc[: N_CELLS // 2, 1] = np.nan
        adata.obsm["protein"], adata.obsm["protein_clr"] = values, np.log1p(values)
    adata.uns["scsiameseclu"] = {"seed": 0, "parameters": {"k": "none", "weights": np.array([1.0])}}
    return adata


@pytest.fixture
def exported(tmp_path, monkeypatch) -> ad.AnnData:
    monkeypatch.chdir(tmp_path)
    write_h5ad(annotated(), "g.h5ad")
    export(prefix="g", annotated=Path("g.h5ad"), formats=["seurat", "sce", "h5mu"])
    return ad.read_h5ad("g.h5ad")


def slots(value):
    return r.attributes(value)


def tree(name: str):
    with gzip.open(name) as file:
        return slots(r.read_rds(file, limit=2**30))


@pytest.mark.parametrize(("name", "genes"), [("seurat", feature_names(GENES)), ("sce", GENES)])
def test_counts_are_read_back(exported, name, genes):
    counts = read_matrix(Path(f"g.{name}.rds"))
    assert (counts.matrix != exported.layers["counts"]).nnz == 0
    assert counts.barcodes == list(exported.obs_names)
    assert counts.gene_symbols == genes
    assert counts.gene_ids == list(exported.var["gene_ids"])
    assert list(counts.columns["cell_type"]) == list(exported.obs["cell_type"])
    assert "lacks counts of some cells" in " ".join(counts.notes), "proteins of half of the cells"


def test_names_of_features_are_valid_in_seurat():
    assert feature_names(["A_B", "A|B", "A-B", "ζ/β"]) == ["A-B", "A-B-1", "A-B-2", "ζ/β"]


def test_the_seurat_object_holds_the_results(exported):
    found = tree("g.seurat.rds")
    rna, adt = (slots(r.elements(found["assays"])[name]) for name in ("RNA", "ADT"))
    names = feature_names(GENES)
    assert r.strings(rna["var.features"]) == [names[place] for place in (1, 3, 2, 4, 0)]
    np.testing.assert_array_equal(r.numbers(slots(rna["data"])["x"]), exported.X.data)
    cells = r.table(found["meta.data"])
    assert list(cells.index) == list(exported.obs_names)
    assert list(cells["cluster_coarse"]) == list(exported.obs["cluster_coarse"])
    assert list(cells["label"]) == list(exported.obs["label"].astype(object).fillna(""))
    np.testing.assert_array_equal(cells["nCount_RNA"], exported.layers["counts"].sum(axis=1).A1)
    np.testing.assert_array_equal(cells["score"], exported.obs["score"])
    assert r.strings(found["active.ident"]) == list(exported.obs["cluster"])
    umap = slots(r.elements(found["reductions"])["umap"])["cell.embeddings"]
    np.testing.assert_array_equal(
        r.numbers(umap).reshape(2, -1).T, exported.obsm["X_umap"].astype(float)
    )
    measured = slots(adt["counts"])
    assert np.isnan(r.numbers(measured["x"])).sum() == N_CELLS // 2
    assert set(r.elements(found["reductions"])) == {"pca", "scsiameseclu", "umap"}


@pytest.mark.parametrize("name", ["orig.ident", "nCount_RNA", "nFeature_RNA"])
def test_columns_of_the_samplesheet_with_names_of_seurat_are_kept(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = annotated()
    adata.obs[name] = pd.Categorical(["theirs"] * N_CELLS)
    write_h5ad(adata, "g.h5ad")
    export(prefix="g", annotated=Path("g.h5ad"), formats=["seurat", "sce", "h5mu"])
    cells = r.table(tree("g.seurat.rds")["meta.data"])
    assert cells.columns.is_unique
    assert set(cells[f"author_{name}"]) == {"theirs"}
    assert list(cells["orig.ident"]) == list(adata.obs["sample"])
    np.testing.assert_array_equal(cells["nCount_RNA"], adata.layers["counts"].sum(axis=1).A1)
    assert {"g.sce.rds", "g.h5mu"} <= {path.name for path in tmp_path.iterdir()}


def test_the_same_data_give_the_same_bytes(exported, tmp_path, monkeypatch):
    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    export(prefix="g", annotated=Path("../g.h5ad"), formats=["seurat", "sce", "h5mu"])
    for path in Path().iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_h5mu_has_a_modality_of_each_kind(exported):
    with mudata.set_options(pull_on_update=False):
        together = mudata.read_h5mu("g.h5mu")
    assert set(together.mod) == {"rna", "prot"}
    assert (together["rna"].layers["counts"] != exported.layers["counts"]).nnz == 0
    assert list(together["prot"].var_names) == list(exported.obsm["protein"].columns)
    np.testing.assert_array_equal(together["prot"].layers["counts"], exported.obsm["protein"])
    np.testing.assert_array_equal(together["prot"].X, exported.obsm["protein_clr"])
    counts = read_matrix(Path("g.h5mu"))
    assert (counts.matrix != exported.layers["counts"]).nnz == 0


def test_only_requested_and_available_formats_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_h5ad(annotated(proteins=False), "g.h5ad")
    export(prefix="g", annotated=Path("g.h5ad"), formats=["sce", "h5mu"])
    assert {path.name for path in Path().iterdir()} == {"g.h5ad", "g.sce.rds"}


def test_more_values_than_a_matrix_of_r_holds_are_refused():
    class Huge:
        nnz, shape = 2**31, (3_000_000, 30_000)

    with pytest.raises(InputError, match="at most 2,147,483,647"):
        by_cell(Huge(), text([]), text([]))


# --- R ---


def printed_by_r(script: str, *packages: str) -> dict:
    """Run a script in R, which prints JSON made by `reported`; skip if a package is missing."""
    header = "reported <- function(...) cat(jsonlite::toJSON(list(...), digits=NA, na='null'))\n"
    load = "".join(f"suppressMessages(library({name}))\n" for name in packages)
    Path("script.R").write_text(load + header + script, encoding="utf-8")
    printed = run_r(Path("script.R"), *packages, folder=Path())
    return json.loads(printed[printed.index("{") :])


@pytest.mark.slow
def test_seurat_opens_it(exported):
    reported = printed_by_r(
        """
x <- readRDS("g.seurat.rds")
stopifnot(validObject(x, complete = TRUE))
adt <- as.matrix(GetAssayData(x[["ADT"]], "counts"))
reported(
  cells = colnames(x), genes = rownames(x), sums = Matrix::colSums(GetAssayData(x, "counts")),
  data = sum(GetAssayData(x, "data")), types = as.character(x$cell_type), label = is.na(x$label),
  idents = as.vector(table(Idents(x))), levels = levels(Idents(x)), umap = Embeddings(x, "umap"),
  siamese = colnames(Embeddings(x, "scsiameseclu")), loadings = Loadings(x, "pca"),
  variable = VariableFeatures(x), proteins = rownames(x[["ADT"]]), measured = rowSums(!is.na(adt)),
  ids = x[["RNA"]][[]]$gene_ids, seed = Misc(x, "scsiameseclu")$seed,
  part = dim(subset(NormalizeData(x, verbose = FALSE), idents = "3"))
)
""",
        "Seurat",
    )
    adata, names = exported, feature_names(GENES)
    assert reported["cells"] == list(adata.obs_names)
    assert reported["genes"] == names
    assert reported["sums"] == adata.layers["counts"].sum(axis=1).A1.tolist()
    assert reported["data"][0] == pytest.approx(adata.X.sum(dtype=float), rel=1e-6)
    assert reported["types"] == list(adata.obs["cell_type"])
    assert reported["label"] == list(adata.obs["label"].isna())
    assert reported["idents"] == adata.obs["cluster"].value_counts(sort=False).tolist()
    assert reported["levels"] == list(adata.obs["cluster"].cat.categories)
    np.testing.assert_allclose(reported["umap"], adata.obsm["X_umap"])
    assert reported["siamese"] == ["scSiameseClu_1", "scSiameseClu_2", "scSiameseClu_3"]
    np.testing.assert_allclose(reported["loadings"], adata.varm["PCs"][[1, 3, 2, 4, 0]])
    assert reported["variable"] == [names[place] for place in (1, 3, 2, 4, 0)]
    assert reported["proteins"] == ["CD3", "CD-4 x", "ü'"]
    assert reported["measured"] == [N_CELLS, N_CELLS // 2, N_CELLS]
    assert reported["ids"] == list(adata.var["gene_ids"])
    assert reported["seed"] == [0]
    assert reported["part"] == [len(GENES), (adata.obs["cluster"] == "3").sum()]


@pytest.mark.slow
def test_single_cell_experiment_opens_it(exported):
    reported = printed_by_r(
        """
x <- readRDS("g.sce.rds")
stopifnot(validObject(x, complete = TRUE))
reported(
  cells = colnames(x), genes = rownames(x), sums = Matrix::colSums(counts(x)),
  data = sum(logcounts(x)), types = as.character(x$cell_type), clusters = levels(x$cluster),
  reduced = reducedDimNames(x), umap = reducedDim(x, "UMAP"), ids = rowData(x)$gene_ids,
  proteins = rownames(altExp(x, "ADT")), part = dim(altExp(x[1:3, x$cluster == "3"])),
  seed = metadata(x)$scsiameseclu$seed, main = mainExpName(x)
)
""",
        "SingleCellExperiment",
    )
    adata = exported
    assert reported["cells"] == list(adata.obs_names)
    assert reported["genes"] == GENES
    assert reported["sums"] == adata.layers["counts"].sum(axis=1).A1.tolist()
    assert reported["data"][0] == pytest.approx(adata.X.sum(dtype=float), rel=1e-6)
    assert reported["types"] == list(adata.obs["cell_type"])
    assert reported["clusters"] == list(adata.obs["cluster"].cat.categories)
    assert reported["reduced"] == ["PCA", "SCSIAMESECLU", "UMAP"]
    np.testing.assert_allclose(reported["umap"], adata.obsm["X_umap"])
    assert reported["ids"] == list(adata.var["gene_ids"])
    assert reported["proteins"] == list(adata.obsm["protein"].columns)
    assert reported["part"] == [3, (adata.obs["cluster"] == "3").sum()]
    assert reported["seed"] == [0]
    assert reported["main"] == ["RNA"]
