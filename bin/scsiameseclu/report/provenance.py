"""How results were made: inputs, parameters, resources, versions, methods; how to open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from string import Template
from typing import Any

from . import methods
from .content import Section, column, columns_of, html, section, table_section, text
from .inputs import Group, Run

_MOST_LACKING = 40
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
    """Return the sections on how the results were made."""
    yield from _samplesheet(run)
    yield from _memory(run)
    yield from _resources(run)
    yield from _parameters(run)
    yield from _versions(run)
    yield from _submission(run)
    yield from methods.sections(run)
    yield from _reopening(run)


def _samplesheet(run: Run) -> Iterator[Section]:
    extra = dict.fromkeys(key for sample in run.samples for key in sample.extra)
    names = {key: f"extra_{index}" for index, key in enumerate(extra)}
    rows = {}
    for sample in run.samples:
        extras = {names[key]: value for key, value in sample.extra.items()}
        row = {
            key: None if value is None else str(value)
            for key, value in {**sample.settings, **extras}.items()
        }
        rows[sample.label] = row | {"format": sample.quality.get("format")}
    own = {names[key]: column(text(key, length=40)) for key in extra}
    yield from table_section("samplesheet", rows, columns_of("samplesheet") | own)


def _memory(run: Run) -> Iterator[Section]:
    groups = {row["group"]: row for row in run.memory.get("groups", [])}
    rows = {
        run.sample_label(row["sample"]): _memory_row(row, groups.get(row["group"], {}))
        for row in run.memory.get("samples", [])
    }
    limit = run.memory.get("limit_mb")
    known = f"A task gets {limit:,} MB at most." if limit else "No limit was known."
    yield from table_section("memory_estimate", rows, limit=known)


def _memory_row(row: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    remarks = " ".join(filter(None, (row["warning"], group.get("warning"), row["note"])))
    sizes = {"n_barcodes": row["n_barcodes"], "n_stored": row["n_stored"]}
    return {**sizes, **row["needs_mb"], **group.get("needs_mb", {}), "remark": remarks}


def _resources(run: Run) -> Iterator[Section]:
    rows = {
        group.label: {**group.metrics, "device": _device(group, run)}
        for group in run.finished
        if group.metrics
    }
    yield from table_section("resources", rows)


def _device(group: Group, run: Run) -> str:
    used = str(group.metrics.get("device", ""))
    lacking = (used, run.parameters.get("device")) == ("cpu", "auto")
    return f"{used} (no GPU was found)" if lacking else used


def _submission(run: Run) -> Iterator[Section]:
    """Return what the files for CELLxGENE lack; nothing where there are none, or all is there."""
    rows = {
        f"{group.label}, {number} {text(row['field'])}": row
        for group, lacking in run.tables("cellxgene_missing").items()
        for number, row in enumerate(lacking.to_dict("records"), start=1)
    }
    yield from table_section("cellxgene", rows, most=_MOST_LACKING)


def _parameters(run: Run) -> Iterator[Section]:
    known: dict[str, Any] = {}
    for group in run.schema.get("$defs", {}).values():
        known |= group["properties"]
    rows = {
        text(f"--{key}"): _parameter_row(value, known.get(key))
        for key, value in sorted(run.parameters.items())
    }
    changed = {key: row for key, row in rows.items() if row.get("changed")}
    first = "Those that differ from their defaults come first."
    order = first if known else "All parameters of this run, as they were understood."
    yield from table_section("parameters", changed | rows, order=order)


def _parameter_row(value: Any, known: Mapping[str, Any] | None) -> dict[str, Any]:
    row = {"value": _shown(value)}
    if known is not None:
        default = known.get("default")
        row |= {"default": _shown(default), "about": known.get("description", "")}
        if value != default and row["value"] != row["default"]:
            row["changed"] = "changed"
    return row


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None or value == "" else str(value)


def _versions(run: Run) -> Iterator[Section]:
    steps: dict[tuple[str, str], set[str]] = {}
    for step, tools in run.versions.items():
        for tool, version in (tools or {}).items():
            steps.setdefault((str(tool), str(version)), set()).add(str(step).split(":")[-1])
    found = sorted(steps, key=lambda of: (of[0].lower(), of[1]))
    once = len({tool for tool, _ in found}) == len(found)
    rows = {
        text(tool) if once else f"{text(tool)} {text(version)}": {
            "tool": None if once else tool,
            "version": version,
            "steps": ", ".join(sorted(steps[tool, version])),
        }
        for tool, version in found
    }
    yield from table_section("versions", rows)


def _reopening(run: Run) -> Iterator[Section]:
    if not run.finished:
        return
    name = run.finished[0].id
    path = f"groups/{name}/{name}.h5ad"
    body = "".join(
        f"<h4>{program}</h4><pre><code>{escape(Template(lines).substitute(path=path))}</code></pre>"
        for program, lines in RECIPES.items()
    )
    yield section("reopening", html(body))
