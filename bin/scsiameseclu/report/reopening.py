"""How to open a group's AnnData: code that the report shows and that the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from string import Template

from .content import Section, html, section
from .inputs import Run

RECIPES = {
    "scanpy (Python)": """\
import scanpy as sc
adata = sc.read_h5ad("$path")
sc.pl.umap(adata, color=["cluster", "cell_type", "sample"])
counts = adata.layers["counts"]
""",
    "cellxgene (in the browser)": """\
cellxgene launch $path --open
""",
    "Seurat (R, with the package hdf5r)": """\
h5 <- hdf5r::H5File$$new("$path", "r")
read <- function(name) h5[[name]]$$read()
text <- function(name) read(paste0(name, "/categories"))[read(paste0(name, "/codes")) + 1]
genes <- read("var/_index")
cells <- read("obs/_index")
counts <- Matrix::sparseMatrix(
  i = read("layers/counts/indices"), p = read("layers/counts/indptr"),
  x = as.numeric(read("layers/counts/data")),
  dims = c(length(genes), length(cells)), dimnames = list(genes, cells), index1 = FALSE
)
seurat <- Seurat::NormalizeData(Seurat::CreateSeuratObject(counts))
for (name in c("sample", "cluster", "cell_type")) seurat[[name]] <- text(paste0("obs/", name))
umap <- matrix(t(read("obsm/X_umap")), ncol = 2, dimnames = list(cells, c("UMAP_1", "UMAP_2")))
seurat[["umap"]] <- Seurat::CreateDimReducObject(umap, key = "UMAP_", assay = "RNA")
Seurat::DimPlot(seurat, reduction = "umap", group.by = "cluster")
""",
}
"""Program -> the lines that open ``$path`` in it."""


def sections(run: Run) -> Iterator[Section]:
    """Return the section on how to open the results again; none if no group has clusters."""
    if not run.finished:
        return
    name = run.finished[0].id
    path = f"groups/{name}/{name}.h5ad"
    body = "".join(
        f"<h4>{program}</h4><pre><code>{escape(Template(lines).substitute(path=path))}</code></pre>"
        for program, lines in RECIPES.items()
    )
    yield section("reopening", html(body))
