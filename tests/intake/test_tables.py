"""Every row and column of a table is read, noted as left out, or named by a refusal."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.intake.gene_ids import split_joined
from scsiameseclu.intake.names import ids_and_symbols
from scsiameseclu.intake.read_counts import read_sample

GENES = ["MT-CO1", "CD3D", "CD3E", "MS4A1", "LYZ", "ACTB", "GAPDH", "RPL13"]
IDS = [f"ENSG0000000{number:04d}" for number in range(1, 9)]
CELLS = [
    f"{barcode}-1"
    for barcode in (
        "AAACCTGAGC",
        "AAACCTGCAA",
        "AAACGGGTCT",
        "AAAGATGCAT",
        "AAAGCAACAG",
        "AACACGTGTA",
    )
]
PLAIN = ["left one", "left two", "right", "upper", "lower", "mid"]
COUNTS = np.random.default_rng(5).poisson(4, (6, 8)) + 1
HTSEQ = [
    "__no_feature",
    "__ambiguous",
    "__too_low_aQual",
    "__not_aligned",
    "__alignment_not_unique",
]


def joined(rows, delimiter):
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def of_genes(
    front, names, *, cells=CELLS, behind=(), values=None, counts=COUNTS.T, delimiter="\t", more=()
):
    """Return a table with a row for each gene: names, counts, and what stands behind the counts."""
    values = values or [[]] * len(counts)
    rows = [
        [*name, *row, *last] for name, row, last in zip(names, counts.tolist(), values, strict=True)
    ]
    return joined([[*front, *cells, *behind], *rows, *more], delimiter)


def of_cells(front, names, *, genes=GENES, **options):
    """Return a table with a row for each cell."""
    return of_genes(front, names, cells=genes, counts=COUNTS, **{"delimiter": ",", **options})


def each(*columns):
    return list(zip(*columns, strict=True))


def numbers(start, step, n):
    return list(range(start, start + step * n, step))


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        (tmp_path / "table").write_text(text)
        return read_sample(tmp_path / "table", settings={"sample": "s"}, **options)[0]

    return read


@pytest.fixture
def refused(read):
    def refused(text, *words):
        with pytest.raises(InputError) as caught:
            read(text)
        (problem,) = caught.value.problems
        for word in words:
            assert word in str(problem)

    return refused


def check(adata, *, cells=CELLS, genes=GENES, ids=None, left_out=()):
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert list(adata.obs_names) == list(cells)
    assert list(adata.var_names) == list(genes)
    assert list(adata.var["gene_ids"]) == list(ids or genes)
    notes = " ".join(json.loads(adata.uns["intake"])["notes"])
    assert all(repr(name) in notes for name in left_out)
    assert ("left out" in notes) == bool(left_out)


def beside(*names):
    """Return rows of one gene more each, as counting programs do, with 9000 reads a cell."""
    return [[name, *[9000] * 6] for name in names]


@pytest.mark.parametrize(
    "names",
    [
        HTSEQ,
        [name.removeprefix("__") for name in HTSEQ],
        [f"X{name}" for name in HTSEQ],
        [name.replace("_", "-") for name in HTSEQ],
        ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
        ["Assigned", "Unassigned_Unmapped", "Unassigned_MultiMapping", "Unassigned_NoFeatures"],
        ["unmapped"],
        ["Total"],
        ["nCount_RNA", "nFeature_RNA", "percent.mt"],
    ],
)
def test_rows_other_than_genes(read, names):
    first = joined([["gene", *CELLS], *beside(*names)], "\t")
    genes = each(GENES)
    check(read(of_genes(["gene"], genes, more=beside(*names))), left_out=names)
    check(read(first + of_genes([], genes).split("\n", 1)[1]), left_out=names)


def test_sums_in_columns(read):
    values = [[9000] * 5] * 6
    check(read(of_cells(["cell"], each(CELLS), behind=HTSEQ, values=values)), left_out=HTSEQ)


def test_sums_in_other_formats(example, write_mtx, tmp_path):
    example.symbols[2], example.ids[2] = "__no_feature", "__no_feature"
    found, _ = read_sample(write_mtx(tmp_path), settings={})
    np.testing.assert_array_equal(found.X.toarray(), np.delete(example.dense, 2, axis=1))


def test_files_of_one_sample(refused):
    summary = joined(
        [["Status", *CELLS], *beside("Assigned", "Unassigned_Unmapped", "Unassigned_Chimera")], "\t"
    )
    refused(summary, "none of the features are genes", "'Assigned'")
    star = joined(
        [
            [name, 5, 2, 3]
            for name in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous", *IDS)
        ],
        "\t",
    )
    refused(star, "ReadsPerGene")
    salmon = joined(
        [["Name", "Length", "TPM", "NumReads"], *([name, 900, 1.5, 7] for name in IDS)], "\t"
    )
    refused(salmon, "'TPM'")


@pytest.mark.parametrize(
    ("front", "values"),
    [
        (["Length"], [numbers(700, 30, 8)]),
        (["start", "end"], [numbers(1000, 1, 8), numbers(2000, 1, 8)]),
        (
            ["Chr", "Start", "End", "Strand", "Length"],
            [[1, 2, 3, 4, 5, "X", "Y", "MT"], *[[1] * 8] * 2, "+-" * 4, [9] * 8],
        ),
        (["gene_biotype", "entrezgene_id"], [["protein_coding"] * 8, numbers(915, -3, 8)]),
        (["farbe"], [["rot"] * 8]),
    ],
)
def test_columns_that_annotate_genes(read, front, values):
    for cells in (CELLS, PLAIN):
        names = each(IDS, *values)
        check(
            read(of_genes(["Geneid", *front], names, cells=cells)),
            cells=cells,
            genes=IDS,
            left_out=front,
        )
    behind = of_genes(["Geneid"], each(IDS), behind=front, values=each(*values))
    check(read(behind), genes=IDS, left_out=front)


def test_feature_counts_with_its_remark(read):
    front = ["Geneid", "Chr", "Start", "End", "Strand", "Length"]
    names = each(IDS, ["1;1"] * 8, ["11;12"] * 8, ["14;15"] * 8, ["+;+"] * 8, [900] * 8)
    remark = '# Program:featureCounts v2.0.1; Command:"featureCounts" "-a" "x.gtf" "a.bam"\n'
    check(read(remark + of_genes(front, names)), genes=IDS, left_out=front[1:])


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (["nCount_RNA", "nFeature_RNA"], [COUNTS.sum(axis=1), [8] * 6]),
        (["orig.ident", "percent.mt", "RNA_snn_res.0.8"], [["a"] * 6, [0.5] * 6, [1, 2, 3] * 2]),
        (
            ["n_genes_by_counts", "total_counts", "pct_counts_mt", "leiden"],
            [[8] * 6, [30] * 6, [1.5] * 6, [0] * 6],
        ),
        (
            ["nUMI", "nGene", "log10GenesPerUMI", "mitoRatio"],
            [[30] * 6, [8] * 6, [0.9] * 6, [0.1] * 6],
        ),
        (["x", "y"], [numbers(10, 7, 6), numbers(40, -3, 6)]),
        (["in_tissue", "array_row", "pxl_col_in_fullres"], [[1] * 6, range(6), numbers(900, 9, 6)]),
        (["predicted_doublet", "UMAP_1", "PC_1"], [[False] * 6, [-1.5] * 6, [0.25] * 6]),
        (["Sum"], [COUNTS.sum(axis=1)]),
    ],
)
def test_columns_that_annotate_cells(read, columns, values):
    check(read(of_cells(["barcode", *columns], each(CELLS, *values))), left_out=columns)
    check(
        read(of_cells(["barcode"], each(CELLS), behind=columns, values=each(*values))),
        left_out=columns,
    )


def test_labels_in_a_column(tmp_path):
    (tmp_path / "x.csv").write_text(
        of_cells(["barcode", "cell_type"], each(CELLS, ["T", "B", "T", "B", "T", "NK"]))
    )
    found, labels = read_sample(tmp_path / "x.csv", settings={"labels": "cell_type"})
    check(found, left_out=["cell_type"])
    assert list(labels["label"]) == ["T", "B", "T", "B", "T", "NK"]


IDENTITY = [
    (["Cell_Index"], [numbers(7000313, 4099, 6)], numbers(7000313, 4099, 6), []),
    (
        ["fov", "cell_ID"],
        [[1, 1, 1, 2, 2, 2], [1, 2, 3] * 2],
        ["1_1", "1_2", "1_3", "2_1", "2_2", "2_3"],
        [],
    ),
    (
        ["fov", "cell_ID", "cell"],
        [[1] * 3 + [2] * 3, [1, 2, 3] * 2, CELLS],
        CELLS,
        ["fov", "cell_ID"],
    ),
    (["", "Unnamed: 0"], [range(6), range(6)], range(6), ["Unnamed: 0"]),
    (["", "Unnamed: 0"], [range(6), CELLS], CELLS, []),
    (["X", "barcode"], [range(1, 7), CELLS], CELLS, ["X"]),
    (["sample", "barcode"], [["s"] * 6, CELLS], CELLS, ["sample"]),
    (["Zelle"], [range(6)], range(6), []),
    (
        ["EntityID"],
        [[10**30 + number for number in range(6)]],
        [10**30 + number for number in range(6)],
        [],
    ),
]


@pytest.mark.parametrize(("front", "values", "cells", "left_out"), IDENTITY)
def test_numbers_of_cells_are_not_a_gene(read, front, values, cells, left_out):
    check(read(of_cells(front, each(*values))), cells=map(str, cells), left_out=left_out)


@pytest.mark.parametrize(
    ("front", "values", "genes", "ids"),
    [
        (["ENTREZID"], [numbers(915, 1, 8)], [str(n) for n in range(915, 923)], None),
        (["gene_id", "gene_name"], [IDS, GENES], GENES, IDS),
        (["gene_name", "ensembl_gene_id"], [GENES, IDS], GENES, IDS),
        (["", "symbol"], [IDS, GENES], GENES, IDS),
        (["ensembl", "hgnc"], [IDS, GENES], GENES, IDS),
        (
            ["Gene Name", "Gene Symbol"],
            [[f"protein {n}" for n in range(8)], GENES],
            GENES,
            [f"protein {n}" for n in range(8)],
        ),
        (["gene_id", "feature", "gene_name"], [IDS, ["exon"] * 8, GENES], GENES, IDS),
        (
            ["symbol", "hgnc"],
            [GENES, [f"HGNC:{n}" for n in range(8)]],
            GENES,
            [f"HGNC:{n}" for n in range(8)],
        ),
        (
            ["gene"],
            [[f"{one}.4_{other}" for one, other in zip(IDS, GENES, strict=True)]],
            GENES,
            [f"{i}.4" for i in IDS],
        ),
        (["gene"], [[f"{other}|{one}" for one, other in zip(IDS, GENES, strict=True)]], GENES, IDS),
    ],
)
def test_names_of_genes(read, front, values, genes, ids):
    left_out = [name for name in front if name == "feature"]
    check(read(of_genes(front, each(*values))), genes=genes, ids=ids, left_out=left_out)


def test_a_table_of_remarks_on_cells(refused):
    remarks = pd.DataFrame({"res.1": [0, 1] * 3, "RD1": [2, 3] * 3, "tSNE_1": 0.5}, index=CELLS)
    refused(remarks.to_csv(), "'RD1'")
    refused(remarks[["res.1", "tSNE_1"]].to_csv(), "'tSNE_1'")


def test_joined_names():
    assert split_joined([f"GRCh38_{one}" for one in IDS]) is None
    assert split_joined([f"{one}.2_PAR_Y" for one in IDS]) is None
    assert split_joined([f"{IDS[0]}.2_PAR_Y_PLCXD1", f"{IDS[1]}_A_B"]) == (
        [f"{IDS[0]}.2_PAR_Y", IDS[1]],
        ["PLCXD1", "A_B"],
    )


def test_a_column_hgnc_holds_symbols_or_ids():
    assert ids_and_symbols(IDS, {"hgnc": GENES}) == (IDS, GENES)
    assert ids_and_symbols(IDS, {"hgnc": [f"HGNC:{n}" for n in range(8)]}) == (IDS, IDS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (of_genes(["gene", "foo"], each(GENES, [3, 5] * 4)), ["Column 'foo'"]),
        (
            of_genes(
                ["gene"], each(GENES), cells=PLAIN, behind=["foo"], values=each(COUNTS.sum(axis=0))
            ),
            ["Column 'foo'"],
        ),
        (
            of_genes(["gene"], each(GENES), more=[["foo", *COUNTS.sum(axis=1)]]),
            ["Row 'foo'", "sum"],
        ),
        (of_genes(["gene"], each(GENES), more=beside("foo")), ["Row 'foo'", "larger"]),
        (of_cells(["foo"], each(numbers(9000, 7, 6))), ["Column 'foo'"]),
        (
            of_cells(["cell"], each(CELLS), behind=["foo"], values=each(COUNTS.sum(axis=1))),
            ["Column 'foo'"],
        ),
        (of_cells(["cell", "foo"], each(CELLS, [3, 5] * 3), genes=IDS), ["Column 'foo'"]),
        (of_cells(["cell", "foo"], each(CELLS, ["a", "NA"] * 3)), ["column 'foo'", "'a'"]),
    ],
)
def test_unexplained_columns_are_rejected(refused, text, words):
    refused(text, *words)


@pytest.mark.parametrize("of", [lambda n: n, lambda n: 3 * n * n, lambda n: 0.5 * n])
def test_columns_whose_values_are_not_counts(refused, of):
    draw = np.random.default_rng(0).poisson(2, (40, 30))
    table = pd.DataFrame(draw, columns=[f"Abc{number}" for number in range(30)])
    table.insert(7, "foo", [of(number) for number in range(40)])
    refused(table.to_csv(index=False), "'foo'")


def test_a_length_among_unknown_names(refused):
    draw = np.random.default_rng(0).poisson(0.3, (150, 20))
    table = pd.DataFrame(
        draw, columns=[f"k{number}q" for number in range(20)], index=[f"zz{n}" for n in range(150)]
    )
    table.insert(0, "laenge", np.random.default_rng(1).integers(1, 3, 150))
    refused(table.to_csv(), "Column 'laenge'")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_remarks_before_the_table(read, ends):
    remarks = (
        "####\n## Analysis Date: 2021-01-01, 00:00:00\n\n## Reference: a.fasta, b.fasta\n####\n"
    )
    table = remarks + of_cells(["Cell_Index"], each(range(5000, 5006)))
    check(read(table.replace("\n", ends)), cells=[str(number) for number in range(5000, 5006)])
    check(read("# counted with a tool, version 1\n" + of_genes(["gene"], each(GENES))))


def test_a_header_that_begins_with_a_remark_sign(read):
    for corner in ("#Sample:", "#", "# gene"):
        check(read(of_genes([corner], each(GENES))))
    check(
        read("# of a plate\n" + of_genes(["#Sample:"], each(GENES), cells=range(1, 7))),
        cells=list("123456"),
    )


def test_numbers_above_the_cells(read):
    check(read(of_genes(["Probe set"], each(GENES), cells=range(1, 7))), cells=list("123456"))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "FBgn{:07d}",
            "WBGene{:08d}",
            "YAL{:03d}W",
            "ZDB-GENE-980526-{}",
            "AT1G{:05d}",
            "SPAC{}.09c",
            "PF3D7_{:07d}",
        ),
        *(
            "ENSDARG{:011d}",
            "ENSG{:011d}.4_PAR_Y",
            "MGI:{}",
            "LOC1000{}",
            "NM_{:06d}.3",
            "Os{0:02d}g0{0:06d}",
        ),
    ],
)
def test_ids_show_whether_rows_or_columns_are_genes(read, name):
    genes, cells = (
        [name.format(10 + number) for number in range(8)],
        [f"wing.{number}" for number in range(12)],
    )
    counts = np.tile(COUNTS, (2, 1))
    for delimiter in "\t,":
        adata = read(of_genes([""], each(genes), cells=cells, counts=counts.T, delimiter=delimiter))
        assert list(adata.obs_names) == cells
        assert list(adata.var_names) == genes
    adata = read(of_genes([""], each(cells), cells=genes, counts=counts))
    assert list(adata.var_names) == genes


def lines_of_counts(*columns):
    """Return the rows of a table with one count per line."""
    return [
        [named[kind] for kind in columns]
        for named in (
            {"cell": CELLS[i], "gene": GENES[j], "id": IDS[j], "count": COUNTS[i, j], "n": i + j}
            for i in range(6)
            for j in range(8)
        )
    ]


@pytest.mark.parametrize(
    ("header", "columns", "ids"),
    [
        (["gene", "cell", "count"], ["gene", "cell", "count"], None),
        (["barcode", "feature_name", "umis"], ["cell", "gene", "count"], None),
        (["", "cell", "gene", "count"], ["n", "cell", "gene", "count"], None),
        (["gene_id", "symbol", "cell", "n"], ["id", "gene", "cell", "count"], IDS),
    ],
)
def test_one_count_a_line(read, monkeypatch, header, columns, ids):
    text = joined([header, *lines_of_counts(*columns)], "\t")
    check(read(text), ids=ids)
    monkeypatch.setattr("scsiameseclu.intake.formats._blocks.VALUES", 20)
    check(read(text), ids=ids)


def test_one_count_a_line_twice(read):
    rows = lines_of_counts("gene", "cell", "count")
    adata = read(joined([["gene", "cell", "count"], *rows, [GENES[0], CELLS[0], 5]], ","))
    assert adata.X[0, 0] == COUNTS[0, 0] + 5
    assert "added up" in adata.uns["intake"]


def test_one_count_a_line_refused(refused):
    rows = lines_of_counts("gene", "cell", "n", "count")
    refused(
        joined([["Gene", "Cell_Index", "RSEC_Reads", "Raw_Molecules"], *rows], "\t"),
        "'RSEC_Reads', 'Raw_Molecules'",
    )
    refused(joined(lines_of_counts("gene", "cell", "count"), "\t"), "header gene, cell, count")
    refused(
        joined([["geneID", "MIDCount"], *lines_of_counts("gene", "count")], "\t"), "only 8 genes"
    )


def test_decimal_commas(refused):
    table = pd.DataFrame(COUNTS.T.astype(float), index=GENES, columns=CELLS)
    refused(table.to_csv(sep=";", decimal=","), "with a comma", "row 2", CELLS[0])
    refused(table.map(lambda value: f"1,{int(value):03d}").to_csv(), "with a comma")


def test_tags_are_not_genes(read, refused):
    tags = [f"CD{number}-CTCATTGTAACTCCT" for number in range(8)]
    refused(
        of_genes([""], each(tags), cells=[cell[:-2] for cell in CELLS], more=beside("unmapped")),
        "none of the features are genes",
        "antibodies",
    )
    mixed = read(of_genes(["gene"], each([*GENES[:6], *tags[:2]])))
    np.testing.assert_array_equal(mixed.X.toarray(), COUNTS[:, :6])


def test_control_probes_are_not_genes(read):
    names = [*GENES[:5], "NegPrb12", "Blank-3", "NegControlProbe_00042"]
    adata = read(of_cells(["cell_id"], each(range(6)), genes=names))
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[:, :5])
    assert all(name in adata.uns["intake"] for name in names[5:])


@pytest.mark.parametrize(
    "table",
    [
        of_genes([], each(GENES), delimiter=" "),
        of_genes(["gene"], each(GENES)).replace("\n", "\t\n"),
    ],
)
def test_fields_that_the_header_lacks_or_has_too_many(read, table):
    check(read(table))
    check(read(table.replace("\t\n", "\n", 1)))


def test_ambiguous_names_of_cells(read):
    cells = ["PC_1", "PC_2", "batch_1", "cluster_2", "y", "type_3"]
    check(read(of_genes(["gene"], each(IDS), cells=cells)), cells=cells, genes=IDS)


def test_format_is_noted(tmp_path):
    (tmp_path / "x").write_text(of_cells(["cell"], each(CELLS)))
    assert read_matrix(tmp_path / "x").format == "table"
