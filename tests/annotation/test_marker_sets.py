"""Marker sets, ours and the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from scsiameseclu.annotation.marker_sets import cell_types_for, read_marker_sets
from scsiameseclu.errors import InputError
from scsiameseclu.files import write_table

ASSETS = Path(__file__).parents[2] / "assets" / "markers"
HEADER = "tissue\torganism\tcell_type\tparent\tgene\tweight\tsource\n"


def test_our_sets_are_sound_and_cited():
    sets = read_marker_sets(ASSETS)

    assert {
        "blood",
        "bone marrow",
        "pancreas",
        "kidney",
        "liver",
        "lung",
        "retina",
        "brain cortex",
    } <= set(sets["tissue"])
    assert set(sets["organism"]) == {"human", "mouse"}
    assert sets["source"].str.fullmatch(r".+ (19|20)\d\d").all()
    assert (sets.groupby(["tissue", "organism", "cell_type"])["gene"].count() >= 2).all()


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("PBMC", "blood"),
        ("Islets", "pancreas"),
        ("Bone_Marrow", "bone marrow"),
        ("brain", "brain cortex"),
    ],
)
def test_other_names_of_tissues(name, tissue):
    sets = read_marker_sets(ASSETS)

    assert cell_types_for(sets, tissue=name, organism="Human") == cell_types_for(
        sets, tissue=tissue, organism="human"
    )
    assert cell_types_for(sets, tissue=name, organism="human")


def test_unknown_tissue_or_organism_has_no_types():
    sets = read_marker_sets(ASSETS)

    assert not cell_types_for(sets, tissue="toenail", organism="human")
    assert not cell_types_for(sets, tissue="", organism="human")
    assert not cell_types_for(sets, tissue="blood", organism="zebrafish")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcell_type, gene\r\nA, X1\r\nA,X2\r\n\r\n",
        "\n\ncell_type;gene\nA;X1\n;\nA;X2\n",
        'cell_type,gene,source\nA,X1,"two\nlines"\nA,X2,two lines',
    ],
)
def test_a_short_csv_with_bom_and_spaces_is_for_any_tissue(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")

    types = cell_types_for(read_marker_sets(path), tissue="anything", organism="mouse")

    assert types["A"].genes == {"X1": 1.0, "X2": 1.0}
    assert types["A"].parent is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("cell_type\tgene\n", "no marker sets"),
        ("cell_type\tgene\tgene\nA\tX\tY\n", "comes 2 times"),
        ("cell_type\tgene\tcolour\nA\tX\tred\n", "unknown column 'colour'"),
        ("cell_type\tweight\nA\t1\n", "no column 'gene'"),
        ("cell_type\tgene\nA\tX\nA\tX\n", "comes twice"),
        ("cell_type\tparent\tgene\nA\tB\t\n", "row without a gene"),
        ("cell_type\tgene\n\tX\n", "no cell type"),
        ("cell_type\tgene\tweight\nA\tX\t-1\n", "not a positive number"),
        ("cell_type\tgene\tweight\nA\tX\tinf\n", "not a positive number"),
        ("cell_type\tparent\tgene\nA\tB\tX\n", "no markers of its own"),
        ("cell_type\tparent\tgene\nA\tB\tX\nA\tA\tY\n", "two parents"),
        ("cell_type\tparent\tgene\nA\tB\tX\nB\tA\tY\n", "its own ancestor"),
        ("cell_type\tgene\nA\tX\tY\tZ\n", "cannot be read"),
    ],
)
def test_mistakes_are_reported(tmp_path, text, message):
    path = tmp_path / "mine.tsv"
    path.write_text(text)

    with pytest.raises(InputError) as error:
        read_marker_sets(path)

    assert message in str(error.value)
    assert "mine.tsv" in str(error.value)


def test_all_mistakes_at_once(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(
        HEADER + "t\thuman\tA\t\tX\t0\ts\nt\thuman\tA\t\tX\t1\ts\nt\thuman\tB\t\t\t1\ts\n"
    )

    with pytest.raises(InputError) as error:
        read_marker_sets(path)

    places = [(2, "weight"), (3, "gene"), (4, "gene")]
    assert [problem.where for problem in error.value.problems] == [
        f"mine.tsv, line {line}, column '{column}'" for line, column in places
    ]


GMT = "T cell\thttp://x\tCD3D\tCD3E\n\nB cell\t\tMS4A1\tCD79A\t\n"
YAML = """
T cell:
  source: Somebody 2020
  genes: {CD3D: 2, CD3E: 1}
CD4 T cell:
  parent: T cell
  genes: [CD4, IL7R]
B cell: [MS4A1, CD79A]
"""


def test_gmt_and_yaml_are_read(tmp_path):
    (tmp_path / "mine.gmt").write_text(GMT)
    (tmp_path / "mine.yml").write_text(YAML)
    gmt, yml = (read_marker_sets(tmp_path / f"mine.{suffix}") for suffix in ("gmt", "yml"))

    assert list(gmt["gene"]) == ["CD3D", "CD3E", "MS4A1", "CD79A"]
    assert list(gmt["source"]) == ["http://x", "http://x", "", ""]
    types = cell_types_for(yml, tissue="", organism="human")
    assert types["T cell"].genes == {"CD3D": 2.0, "CD3E": 1.0}
    assert types["CD4 T cell"].parent == "T cell"
    assert set(yml.loc[yml["cell_type"] == "T cell", "source"]) == {"Somebody 2020"}


def test_files_of_a_folder_may_repeat_each_other(tmp_path):
    folder = tmp_path / "markers"
    folder.mkdir()
    (folder / "1.gmt").write_text(GMT)
    (folder / "2.yml").write_text(YAML.replace("CD3D: 2", "CD3D: 1"))
    sets = read_marker_sets(folder)
    genes = ["CD3D", "CD3E", "MS4A1", "CD79A", "CD4", "IL7R"]
    assert list(sets["gene"]) == genes

    write_table(sets, str(tmp_path / "marker_sets.tsv"))  # as the check hands them on
    assert list(read_marker_sets(tmp_path / "marker_sets.tsv")["gene"]) == genes


TOGETHER = {
    "another parent": (
        ",Immune,,PTPRC,1|,T cell,Immune,CD3D,1|blood,Lymphocyte,,LTB,1|"
        "blood,T cell,Lymphocyte,CD3E,1",
        "'T cell' has two parents, 'Immune' (1.csv, line 3) and 'Lymphocyte'",
        "1.csv, line 5, column 'parent'",
    ),
    "another weight": (
        ",T cell,,CD3D,1|blood,T cell,,cd3d,5",
        "gene 'cd3d' of the cell type 'T cell' has two weights, '1.0' (1.csv, line 2) and '5.0'",
        "1.csv, line 3, column 'weight'",
    ),
    "names of one tissue": (
        "PBMC,T cell,,CD3D,1|blood,T cell,,CD3D,5",
        "two weights",
        "1.csv, line 3",
    ),
    "a circle": (
        ",X,Y,G1,1|blood,Y,X,G2,1|,Y,X,G3,1|blood,X,Y,G4,1",
        "is its own ancestor",
        "1.csv, line 2, column 'parent'",
    ),
    "a parent of another tissue": (
        "blood,T cell,,CD3D,1|lung,CD4 T cell,T cell,CD4,1",
        "the parent 'T cell' of 'CD4 T cell' has no markers of its own",
        "1.csv, line 3, column 'parent'",
    ),
}


@pytest.mark.parametrize("in_files", [False, True], ids=["one_file", "a_file_each"])
@pytest.mark.parametrize(("text", "message", "where"), TOGETHER.values(), ids=list(TOGETHER))
def test_sets_that_are_used_together_do_not_contradict(tmp_path, text, message, where, in_files):
    header = "tissue,cell_type,parent,gene,weight"
    rows = text.split("|")
    if in_files:
        for number, row in enumerate(rows, start=1):
            (tmp_path / f"{number}.csv").write_text(f"{header}\n{row}\n")
    else:
        (tmp_path / "1.csv").write_text("\n".join([header, *rows]))

    with pytest.raises(InputError) as error:
        read_marker_sets(tmp_path)

    assert len(set(error.value.problems)) == len(error.value.problems)
    if not in_files:
        assert message in error.value.problems[0].what
        assert where in error.value.problems[0].where


def test_sets_of_any_tissue_and_of_one_are_used_together(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "tissue,organism,cell_type,parent,gene\n,,T cell,,CD3D\n,,T cell,,CD3E\n"
        "blood,human,T cell,,CD3D\nblood,human,T cell,,CD2\nPBMC,,CD4 T cell,T cell,CD4\n"
        "lung,,T cell,,TRAC\n"
    )
    types = cell_types_for(read_marker_sets(tmp_path), tissue="PBMC", organism="human")
    assert list(types["T cell"].genes) == ["CD3D", "CD3E", "CD2"]
    assert types["CD4 T cell"].parent == "T cell"


@pytest.mark.parametrize(
    ("name", "text", "message", "where"),
    [
        ("a.gmt", "A\tx\tG1\tG1\n", "comes twice", "line 1"),
        ("a.gmt", "A\tx\tG1\nB\tx\n", "'B' has no genes", "line 2, column 3"),
        ("a.gmt", "A\n", "'A' has no genes", "line 1"),
        ("a.gmt", "\n", "no marker sets", "a.gmt"),
        ("a.yaml", "A: []\n", "'A' has no genes", "line 1, column 1"),
        ("a.yaml", "A:\n", "'A' has no genes", "line 1, column 1"),
        ("a.yaml", "A: [G1]\nB:\n  - G1\n  - g1\n", "comes twice", "line 4"),
        ("a.yaml", "A: {genes: [G1], colour: red}\n", "unknown column 'colour'", "line 1"),
        ("a.yaml", "A: [[G1]]\n", "a single value", "line 1, column 5"),
        ("a.yaml", "A: {G1: many}\n", "not a positive number", "line 1"),
        ("a.yaml", "- A\n- B\n", "no cell types", "line 1"),
        ("a.yaml", "A: [G1\nB: x", "cannot be read", "line 2"),
        ("a.yaml", "A: G1\n", "neither a list nor a mapping", "line 1, column 4"),
        ("a.yaml", "A: !!python/object/apply:os.system [G1]\n", "", ""),
        ("a.tsv", "cell_type\tgene\nA\tG1\nB\tG1\tG2\n", "3 fields", "line 3, column 3"),
        ("a.csv", 'cell_type,gene\nA,"G1\n', "cannot be read", "a.csv, line 2"),
        ("a.csv", "cell_type,gene\nA,G1\n\udce9,G1\n", "cannot be read", "a.csv, line 3"),
        ("a.csv", "cell_type,gene\nA\0,G1\n", "null character", "line 2, column 'cell_type'"),
        ("a.yaml", 'A: ["G\\0"]\n', "null character", "line 1, column 'gene'"),
        ("a.yaml", "A:\n  genes: [G1]\n  genes: [G2]\n", "comes twice", "line 3, column 3"),
        ("a.tsv", "cell_type\tgene\nA\tCD3D\nA\tcd3d\n", "comes twice", "line 3, column 'gene'"),
    ],
)
def test_the_place_of_a_mistake_is_reported(tmp_path, name, text, message, where):
    (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")

    if not message:  # a tag that other loaders would act upon is a list like any other here
        assert list(read_marker_sets(tmp_path / name)["gene"]) == ["G1"]
        return
    with pytest.raises(InputError) as error:
        read_marker_sets(tmp_path / name)

    assert message in str(error.value)
    assert where in error.value.problems[0].where


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", None])
def test_unreadable_files_are_reported(tmp_path, content):
    path = tmp_path / "mine.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_marker_sets(path)
    with pytest.raises(InputError, match="no marker sets"):
        (tmp_path / "empty").mkdir()
        read_marker_sets(tmp_path / "empty")
