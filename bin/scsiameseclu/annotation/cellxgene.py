"""The group's data as required for submission to CZ CELLxGENE Discover (schema 7.1.0).

Metadata are the samplesheet's columns named as in the schema. Missing fields are not filled,
but listed in a table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from numpy.typing import NDArray

from ..blocks import Matrix, MatrixWriter, opened, row_blocks, write_tables
from ..contracts import CELL_TYPE, ONTOLOGY_ID, SEX
from ..errors import listed
from ..files import make_plain, settings, write_table
from ..intake.gene_ids import without_versions
from ..intake.organism import infer_organism

COLUMNS = ["field", "state", "needed", "example", "where"]
"""Columns of the table of missing fields."""
UNKNOWN, NOT_APPLICABLE, CELL_LINE = "unknown", "na", "cell line"
ORGANISM, TITLE, TISSUE_TYPE = "organism_ontology_term_id", "title", "tissue_type"
PRIMARY, ETHNICITY = "is_primary_data", "self_reported_ethnicity_ontology_term_id"
HUMAN = "NCBITaxon:9606"
ORGANISMS = {
    "human": HUMAN,
    "mouse": "NCBITaxon:10090",
    "rat": "NCBITaxon:10116",
    "zebrafish": "NCBITaxon:7955",
    "fly": "NCBITaxon:7227",
    "worm": "NCBITaxon:6239",
    "pig": "NCBITaxon:9823",
    "rabbit": "NCBITaxon:9986",
    "marmoset": "NCBITaxon:9483",
    "chimpanzee": "NCBITaxon:9598",
}
"""Organisms of the pipeline that the schema takes."""
SEX_ID = "sex_ontology_term_id"
EXPERIMENT = "experimental_condition_ontology_term_id"
SEXES = {"female": "PATO:0000383", "male": "PATO:0000384"}
"""Sexes as the samplesheet's column `SEX` names them."""
RESERVED = frozenset(
    {
        *("assay", "cell_type", "development_stage", "disease", "self_reported_ethnicity", "sex"),
        *("tissue", "organism", "ethnicity", "ethnicity_ontology_term_id"),
        *("observation_joinid", "experimental_condition", "perturbation_types"),
    }
)
"""Columns of ``obs`` that the schema reserves or no longer takes; they get a prefix."""
_GENE = re.compile(r"ENS(?:[A-Z]{0,6}G|GR)\d{6,}|FBgn\d{7}|WBGene\d{8}")
_SHEET, _TRUE = "column {} of the samplesheet", {"true": True, "false": False}


@dataclass(frozen=True)
class Field:
    """What the schema asks of each cell, or of the data set.

    Parameters
    ----------
    name
        Its name there, and in the samplesheet.
    form
        Regular expression of the values.
    needed, example
        The same in words.
    optional
        Whether the schema takes ``unknown``.
    """

    name: str
    form: str
    needed: str
    example: str
    optional: bool = False

    def fits(self, value: str) -> bool:
        """Return whether a value has the form that is asked for."""
        return re.fullmatch(self.form, value) is not None

    def row(self, state: str, where: str = _SHEET) -> dict[str, str]:
        """Return the row of the table of missing fields."""
        found = [self.name, state, self.needed, self.example, where.format(self.name)]
        return dict(zip(COLUMNS, found, strict=True))


_DISEASES = r"PATO:0000461|MONDO:\d{7}(?: \|\| MONDO:\d{7})*"
_POPULATION = r"(?:HANCESTRO|AfPO):\d{4,}"
OF_CELLS = (
    Field("assay_ontology_term_id", r"EFO:\d{7}", "term of EFO for the assay", "EFO:0009922"),
    Field(
        "development_stage_ontology_term_id",
        r"(?:HsapDv|MmusDv|ZFS|FBdv|WBls|UBERON):\d{7,8}|unknown|na",
        "term of HsapDv (human), MmusDv (mouse) or that of the organism for age or stage",
        "HsapDv:0000258",
        optional=True,
    ),
    Field(
        "disease_ontology_term_id",
        _DISEASES,
        "PATO:0000461 (normal), or terms of MONDO with ' || ' between them",
        "PATO:0000461",
    ),
    Field("donor_id", r".+", "name of the donor, without personal data", "donor_1"),
    Field(PRIMARY, r"(?i:true|false)", "TRUE unless the cells are in CELLxGENE already", "TRUE"),
    Field(
        ETHNICITY,
        rf"{_POPULATION}(?: \|\| {_POPULATION})*|unknown|na",
        "terms of HANCESTRO or AfPO; na where the organism is not human",
        "HANCESTRO:0568",
        optional=True,
    ),
    Field(
        SEX_ID,
        r"PATO:(?:0000383|0000384|0001340)|unknown|na",
        "PATO:0000383 (female), PATO:0000384 (male) or PATO:0001340 (hermaphrodite)",
        "PATO:0000383",
        optional=True,
    ),
    Field(
        "suspension_type", r"cell|nucleus|na", "cell, nucleus or na, depending on the assay", "cell"
    ),
    Field(
        "tissue_ontology_term_id",
        r"(?:UBERON|CL|ZFA|FBbt|WBbt):\d{7,8}|CVCL_\w{4}",
        "term of UBERON; of CL for a primary cell culture, of Cellosaurus for a cell line",
        "UBERON:0000178",
    ),
    Field(
        TISSUE_TYPE,
        r"tissue|organoid|primary cell culture|cell line",
        "tissue, organoid, primary cell culture or cell line",
        "tissue",
    ),
)
OF_DATA_SET = (
    Field(ORGANISM, r"NCBITaxon:\d+", "term of NCBITaxon for the organism, one of a group", HUMAN),
    Field(TITLE, r".+", "title of the data set, the same for all samples of a group", "PBMC, 3'"),
)
_CELL_TYPES = Field(
    ONTOLOGY_ID,
    r"CL:\d{7}",
    "a cell type with an id of the Cell Ontology for every cluster",
    "CL:0000084",
)
_GENES = Field("var index", _GENE.pattern, "Ensembl id of every gene", "ENSG00000141510")

Values = dict[str, dict[str, str | None]]
"""Field -> sample -> value."""


def write_cellxgene(*, prefix: str, annotated: Path) -> None:
    """Write a group for submission, and the table of missing fields.

    Writes ``<prefix>.cellxgene.h5ad`` (not where no gene has an Ensembl id) and
    ``<prefix>.cellxgene_missing.tsv`` with the columns `COLUMNS`.

    Parameters
    ----------
    prefix
        Id of the group.
    annotated
        ``<group>.h5ad``. Its matrices are read and written some cells at a time.
    """
    with opened(annotated) as found:
        known = settings(found)
        samples = list(found.obs["sample"].astype(str).unique())
        values = _values(known, samples, _organism(found.var, known))
        genes, dropped = _genes(found.var)
        rows = [*_missing(values), *_untyped(found.obs), *dropped]
        write_table(pd.DataFrame(rows, columns=COLUMNS), f"{prefix}.cellxgene_missing.tsv")
        if len(genes):
            _write(found, values, genes, f"{prefix}.cellxgene.h5ad")


# --- metadata ---


def _organism(var: pd.DataFrame, known: Mapping[str, Any]) -> str | None:
    """Return the organism's id by the genes, or else by the samplesheet."""
    names = pd.DataFrame({"gene_ids": _gene_ids(var), "gene_symbols": var.index.astype(str)})
    by_genes = infer_organism(names)
    own = by_genes.name or by_genes.found
    return ORGANISMS.get(str(own or known.get("organism") or "").casefold())


def _values(known: Mapping[str, Any], samples: Sequence[str], organism: str | None) -> Values:
    """Return the samplesheet's values, with organism and sex by name if there is no id."""
    sheet = {
        str(row["sample"]): row.get("extra") or {}
        for row in known["samples"]
        if str(row["sample"]) in samples
    }
    values: Values = {
        field.name: {name: extra.get(field.name) or None for name, extra in sheet.items()}
        for field in (*OF_CELLS, *OF_DATA_SET)
    }
    values[ORGANISM] = {name: value or organism for name, value in values[ORGANISM].items()}
    sex = next(field for field in OF_CELLS if field.name == SEX_ID)
    for name, extra in sheet.items():
        if not values[SEX_ID][name] and not _settled(sex, values, name):
            values[SEX_ID][name] = SEXES.get(extra.get(SEX, ""))
    return values


def _missing(values: Values) -> Iterator[dict[str, str]]:
    """Yield a row for each field that is missing, has another form or value, or has several."""
    for field in (*OF_CELLS, *OF_DATA_SET):
        of_samples = values[field.name]
        given = {name: value for name, value in of_samples.items() if value}
        absent = [
            name for name in of_samples if name not in given and not _settled(field, values, name)
        ]
        if field in OF_DATA_SET and given:
            absent = []  # once is enough
        wrong = list(dict.fromkeys(value for value in given.values() if not field.fits(value)))
        if absent:
            state = "written as unknown" if field.optional else "missing"
            yield field.row(
                state + ("" if len(absent) == len(of_samples) else f": {listed(absent, n=5)}")
            )
        if wrong:
            yield field.row(f"not of this form: {listed(wrong, n=5)}")
        if other := [
            name
            for name, value in given.items()
            if value != NOT_APPLICABLE and _settled(field, values, name)
        ]:
            yield field.row(f"the schema allows only {NOT_APPLICABLE} here: {listed(other, n=5)}")
        several = list(dict.fromkeys(given.values()))
        if field in OF_DATA_SET and len(several) > 1:
            yield field.row(f"several in one group, so none is written: {listed(several, n=5)}")


def _settled(field: Field, values: Values, sample: str) -> bool:
    """Return whether the schema has but one value for a sample: ``na``."""
    if values[TISSUE_TYPE].get(sample) == CELL_LINE:
        return field.optional or field.name == "donor_id"
    organism = values[ORGANISM].get(sample)
    return field.name == ETHNICITY and organism not in (None, HUMAN)


def _filled(field: Field, values: Values, sample: str) -> str | None:
    """Return the metadata written for a sample."""
    if value := values[field.name].get(sample):
        return value
    if _settled(field, values, sample):
        return NOT_APPLICABLE
    return UNKNOWN if field.optional else None


def _untyped(obs: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Yield a row if cells have no id of a cell type."""
    untyped = obs[CELL_TYPE][_ids(obs) == UNKNOWN].astype(str)
    if len(untyped):
        names = listed(sorted(untyped.unique()), n=5)
        state = f"{len(untyped)} of {len(obs)} cells are written as unknown: {names}"
        yield _CELL_TYPES.row(state, "--markers, or cell type names of the Cell Ontology")


def _ids(obs: pd.DataFrame) -> pd.Series[str]:
    """Return the id of each cell's type, ``unknown`` where it has none."""
    if ONTOLOGY_ID not in obs:
        return pd.Series(UNKNOWN, index=obs.index, dtype=object)
    return obs[ONTOLOGY_ID].astype(object).fillna(UNKNOWN)


def _obs(obs: pd.DataFrame, values: Values) -> pd.DataFrame:
    """Return ``obs`` with the schema's columns; reserved names get the prefix ``author_``."""
    ours = {field.name for field in OF_CELLS} | {ORGANISM, TITLE, ONTOLOGY_ID}
    kept = obs[[name for name in obs if name not in ours and not str(name).startswith("__")]]
    table = kept.rename(columns=free_names([str(name) for name in kept], RESERVED))
    samples = obs["sample"].astype(str)
    for field in OF_CELLS:
        column = samples.map({name: _filled(field, values, name) for name in values[field.name]})
        if field.name == PRIMARY:
            column = column.map(lambda value: _TRUE.get(str(value).casefold()))
        if column.notna().any():
            whole = field.name == PRIMARY and column.notna().all()
            table[field.name] = column.astype(bool) if whole else pd.Categorical(column)
    table[ONTOLOGY_ID] = pd.Categorical(_ids(obs))
    if EXPERIMENT in table:
        given = table.pop(EXPERIMENT).astype(object).fillna("").replace("", NOT_APPLICABLE)
        if (given != NOT_APPLICABLE).any():
            table[EXPERIMENT] = pd.Categorical(given)
    return table


def free_names(columns: list[str], reserved: Collection[str]) -> dict[str, str]:
    """Return a name for each column: its own, or with the prefix ``author_`` if it is reserved."""
    names: dict[str, str] = {}
    for column in columns:
        name = column
        while name in reserved or (name != column and name in {*columns, *names.values()}):
            name = f"author_{name}"
        names[column] = name
    return names


def _uns(values: Values, obsm: Mapping[str, Any]) -> dict[str, str]:
    of_group = {field.name: set(values[field.name].values()) - {None} for field in OF_DATA_SET}
    uns = {name: str(*found) for name, found in of_group.items() if len(found) == 1}
    return uns | ({"default_embedding": "X_umap"} if "X_umap" in obsm else {})


# --- genes and matrices ---


def _gene_ids(var: pd.DataFrame) -> pd.Series[str]:
    return (var["gene_ids"] if "gene_ids" in var else var.index.to_series()).astype(str)


def _genes(var: pd.DataFrame) -> tuple[pd.Series[str], list[dict[str, str]]]:
    """Return the ids of the kept genes by position, and a row on the others."""
    ids = without_versions(_gene_ids(var)).reset_index(drop=True)
    kept = ids.map(lambda id_: _GENE.fullmatch(id_) is not None) & ~ids.duplicated()
    lost = list(var.index[~kept.to_numpy(bool)].astype(str))
    where = "gene ids in the counts of the samplesheet"
    state = f"{len(lost)} of {len(var)} genes have no id of their own and are left out: "
    rows = [_GENES.row(state + listed(lost, n=10), where)] if lost else []
    return ids[kept], rows


def _write(found: ad.AnnData, values: Values, genes: pd.Series[str], path: str) -> None:
    index = pd.Index(genes.to_numpy(object))
    obsm = {
        key: np.asarray(value)
        for key, value in found.obsm.items()
        if key.startswith("X_") and np.isfinite(np.asarray(value)).all()
    }
    tables = ad.AnnData(
        obs=_obs(found.obs, values),
        var=pd.DataFrame({"feature_is_filtered": False}, index=index),
        obsm=obsm,
        uns=_uns(values, obsm),
    )
    make_plain(tables)
    with h5py.File(path, "w") as file:
        _write_genes(file, "X", found.X, genes.index.to_numpy())
        _write_genes(file, "raw/X", found.layers["counts"], genes.index.to_numpy())
        file["raw"].attrs.update({"encoding-type": "raw", "encoding-version": "0.1.0"})
        write_elem(file["raw"], "var", pd.DataFrame(index=index))
        write_elem(file["raw"], "varm", {})
        write_tables(file, tables)


def _write_genes(file: h5py.File, key: str, matrix: Matrix, places: NDArray[np.int64]) -> None:
    """Write some genes of a matrix as float32."""
    stored = matrix.group["data"].shape[0]
    writer = MatrixWriter(file, key, n_genes=len(places), n_values=stored, dtype=np.float32)
    for _, block in row_blocks(matrix):
        writer.append(block[:, places].astype(np.float32))
