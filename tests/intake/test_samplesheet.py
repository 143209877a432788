"""Every rule of the samplesheet, and that nothing in one makes the check fail in any other way."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from scsiameseclu.contracts import OBS_COLUMNS
from scsiameseclu.errors import InputError
from scsiameseclu.intake.samplesheet import read_samplesheet
from scsiameseclu.intake.sheet_schema import row_schema

ROOT = Path(__file__).parents[2]
COLUMNS = json.loads((ROOT / "assets/schema_input.json").read_text())
PARAMETERS = json.loads((ROOT / "nextflow_schema.json").read_text())
SCHEMA = row_schema(COLUMNS, PARAMETERS)
DEFAULTS = {
    "n_clusters": "auto",
    "organism": "human",
    "tissue": None,
    "expected_doublet_rate": None,
}


def read(tmp_path, content, *, paths=None, defaults=DEFAULTS):
    sheet = tmp_path / "sheet.csv"
    sheet.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_samplesheet(sheet, schema=SCHEMA, defaults=defaults, paths=paths or {})


def problems(tmp_path, content, **options):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, **options)
    assert all(
        problem.what and problem.where and problem.remedy for problem in caught.value.problems
    )
    return caught.value.problems


def only(tmp_path, content, where, *words, **options):
    found = problems(tmp_path, content, **options)
    assert len(found) == 1, found
    assert found[0].where == f"sheet.csv, {where}"
    for word in words:
        assert word in found[0].what + found[0].remedy
    return found[0]


def test_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert all("errorMessage" in rule for rule in SCHEMA["items"]["properties"].values())


def test_example_is_valid(tmp_path):
    samples = read(tmp_path, (ROOT / "assets/samplesheet_example.csv").read_bytes())
    assert [sample["sample"] for sample in samples] == ["patient1", "patient2", "islets", "kidney"]


def test_values_and_defaults(tmp_path):
    header = "sample,counts,group,n_clusters,organism,tissue,expected_doublet_rate,labels,donor"
    text = f"{header}\na,x.h5,g,8,mouse,brain,.06,Y,D 1\nb,y,,,,,,,\n"
    first, second = read(tmp_path, text, defaults={**DEFAULTS, "n_clusters": 5, "tissue": "blood"})
    assert first == {
        "sample": "a",
        "counts": "x.h5",
        "group": "g",
        "n_clusters": 8,
        "organism": "mouse",
        "tissue": "brain",
        "expected_doublet_rate": 0.06,
        "labels": "Y",
        "overrides": {},
        "extra": {"donor": "D 1"},
    }
    assert second == {
        "sample": "b",
        "counts": "y",
        "group": "b",
        "n_clusters": 5,
        "organism": "human",
        "tissue": "blood",
        "expected_doublet_rate": None,
        "labels": None,
        "overrides": {},
        "extra": {"donor": ""},
    }


def test_overrides_are_typed_and_no_extra_columns(tmp_path):
    head = (
        "sample,counts,min_genes,max_pct_mt,mad_genes,cell_calling,round_counts,"
        "doublet_action,donor"
    )
    first, second = read(tmp_path, f"{head}\na,x,300,7.5,5,none,TRUE,annotate,D1\nb,y,,,,,,,\n")
    assert first["overrides"] == {
        "min_genes": 300,
        "max_pct_mt": 7.5,
        "mad_genes": 5.0,
        "cell_calling": "none",
        "round_counts": True,
        "doublet_action": "annotate",
    }
    assert second["overrides"] == {}
    assert [sample["extra"] for sample in (first, second)] == [{"donor": "D1"}, {"donor": ""}]


def test_every_override_has_the_rule_of_its_parameter():
    rules = ("type", "enum", "minimum", "exclusiveMinimum", "maximum")
    columns = SCHEMA["items"]["properties"]
    for group in ("intake_options", "quality_options"):
        for name, parameter in PARAMETERS["$defs"][group]["properties"].items():
            assert {key: columns[name].get(key) for key in rules} == {
                key: parameter.get(key) for key in rules
            }, name


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("min_genes", "Give a whole number of at least 0, or leave it empty for --min_genes."),
        ("max_pct_hb", "Give a number from 0 to 100, or leave it empty for --max_pct_hb."),
        ("mad_genes", "Give a number above 0, or leave it empty for --mad_genes."),
        ("cell_calling", "Give 'auto' or 'none'."),
        ("round_counts", "Give 'true' or 'false'."),
    ],
)
def test_the_remedy_of_an_override_is_its_rule_in_words(name, remedy):
    assert SCHEMA["items"]["properties"][name]["errorMessage"] == remedy


def test_a_column_of_the_samplesheet_overrides_the_parameter():
    own = COLUMNS["items"]["properties"]["hashtags"]
    assert SCHEMA["items"]["properties"]["hashtags"] == own


@pytest.mark.parametrize("name", ["min_gene", "minGenes", "MAX_PCT_MT", "mad_gene"])
def test_near_misses_of_overrides(tmp_path, name):
    only(tmp_path, f"sample,counts,{name}\na,x,5\n", f"line 1, column {name}", "Did you mean")


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("trailing", ["", "\n\n", "D D\n", " D\nD\n"])
def test_tolerant_reading(tmp_path, delimiter, end, bom, trailing):
    within = delimiter if delimiter != "\t" else ","  # no value holds a tab
    text = f'{bom} sample D"counts" Dnote\n\n a D "x y{within}.h5" D"say ""hi"""\nbDz\n{trailing}'
    samples = read(tmp_path, text.replace("D", delimiter).replace("\n", end).encode())
    assert [(sample["sample"], sample["counts"]) for sample in samples] == [
        ("a", f"x y{within}.h5"),
        ("b", "z"),
    ]
    assert [sample["extra"] for sample in samples] == [{"note": 'say "hi"'}, {"note": ""}]


def test_empty_columns_at_the_end_are_dropped(tmp_path):
    assert read(tmp_path, "sample,counts,,\na,x,,\n")[0]["extra"] == {}


def test_line_numbers_count_lines_within_quotes(tmp_path):
    text = 'sample,counts,note\n\na,x,"two\nlines"\n!,y,\n'
    of_note, of_sample = problems(tmp_path, text)
    assert of_note.where == "sheet.csv, line 3, column note"
    assert of_sample.where == "sheet.csv, line 5, column sample"
    assert "'!'" in of_sample.what


@pytest.mark.parametrize("column", ["sample", "counts", "group", "tissue", "labels", "donor"])
@pytest.mark.parametrize("character", ["\n", "\r\n", "\t", "\x1b", "\x7f", "\x85"])
def test_values_with_control_characters_are_rejected(tmp_path, column, character):
    row = {"sample": "a", "counts": "x", "group": "g", "tissue": "", "labels": "", "donor": ""}
    text = io.StringIO()
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerow(row | {column: f"y{character}/path/script"})
    problem = only(
        tmp_path, text.getvalue(), f"line 2, column {column}", "control character", "Take it out"
    )
    assert problem.what.isprintable()


def test_column_names_with_control_characters_are_rejected(tmp_path):
    assert len(problems(tmp_path, 'sample,counts,"do\nnor"\na,x,7\n')) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n ,,\n\r\n", "is empty"),
        ("sample,counts\na,x\n".encode("utf-16"), "UTF-16"),
        ("sample,counts\na,x\n".encode("utf-16-le"), "UTF-16"),
        ("sample,counts\né,x\n".encode("latin-1"), "line 2"),
        (b"PK\3\4....", "spreadsheet"),
        (b"\x89HDF\0\0", "binary"),
        (b'sample,counts\na,"x\nb,y\n', "quoted"),
        (b'sample,counts\na,"x"y\n', "quoted"),
    ],
)
def test_files_other_than_samplesheets_are_rejected(tmp_path, content, words):
    (problem,) = problems(tmp_path, content)
    assert words in problem.what


def test_unreadable(tmp_path):
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_samplesheet(path, schema=SCHEMA, defaults=DEFAULTS, paths={})


def test_header_only(tmp_path):
    only(tmp_path, "sample,counts\n", "line 1", "no samples")


def test_missing_columns(tmp_path):
    found = problems(tmp_path, "id,path,organism\na,x,dog\n")
    assert [problem.where.rpartition(", ")[2] for problem in found] == [
        "column sample",
        "column counts",
        "column organism",
    ]
    only(tmp_path, "sample_id,counts\na,x\n", "line 1, column sample", "'sample_id'")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Sample", "sample"),
        ("SAMPLE", "sample"),
        ("samples", "sample"),
        ("sampel", "sample"),
        ("Counts ", "counts"),
    ],
)
def test_near_misses_of_needed_columns(tmp_path, name, meant):
    header = ",".join(name if column == meant else column for column in ("sample", "counts"))
    only(tmp_path, f"{header}\na,x\n", f"line 1, column {name.strip()}", repr(meant))


@pytest.mark.parametrize(
    "name", ["n_cluster", "n clusters", "N.Clusters", "nclusters", "Organism", "label", "tisue"]
)
def test_near_misses_of_optional_columns(tmp_path, name):
    (problem,) = problems(tmp_path, f"sample,counts,{name}\na,x,\n")
    assert "Did you mean" in problem.remedy


@pytest.mark.parametrize(
    "name", ["donor", "batch", "sample_type", "subgroup", "age", "Größe", "count_date"]
)
def test_further_columns(tmp_path, name):
    assert read(tmp_path, f"sample,counts,{name}\na,x,7\n")[0]["extra"] == {name: "7"}


@pytest.mark.parametrize(
    ("value", "word"),
    [("M", "male"), ("Female", "female"), ("f", "female"), ("UNKNOWN", "unknown"), ("", None)],
)
def test_sex_is_one_word(tmp_path, value, word):
    found = read(tmp_path, f"sample,counts,sex\na,x,{value}\n")[0]["extra"]
    assert found == ({"sex": word} if word else {})


@pytest.mark.parametrize("name", [*sorted(OBS_COLUMNS), "a/b", ".", "x" * 1000])
def test_further_columns_that_cannot_be(tmp_path, name):
    assert len(problems(tmp_path, f"sample,counts,{name}\na,x,7\n")) == 1


@pytest.mark.parametrize("header", ["sample|counts", "sample counts group", "counts|sample"])
def test_columns_that_nothing_separates(tmp_path, header):
    (found,) = problems(tmp_path, f"\n{header}\na|x.h5\n")
    assert found.what == f"The columns of {header!r} are not separated."
    assert found.where.endswith("line 2")


def test_columns_there_twice(tmp_path):
    only(tmp_path, "sample,counts,counts\na,x,y\n", "line 1, column counts", "twice")
    only(tmp_path, "sample,counts,donor,donor\na,x,y,z\n", "line 1, column donor", "twice")
    assert "twice" in problems(tmp_path, "sample,counts,Sample\na,x,y\n")[1].what


def test_values_without_a_column(tmp_path):
    only(tmp_path, "sample,counts\na,x,y\n", "line 2", "'y'")
    only(tmp_path, "sample,counts,\na,x,y\n", "line 1", "no name")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sample", "a b"),
        ("sample", "../a"),
        ("sample", "-a"),
        ("sample", "$(rm -rf)"),
        ("sample", "a;b"),
        ("sample", "é"),
        ("sample", "a" * 10_000),
        ("group", "<script>"),
        ("group", "_x"),
        ("n_clusters", "-3"),
        ("n_clusters", "0"),
        ("n_clusters", "2.5"),
        ("n_clusters", "Auto"),
        ("n_clusters", "9" * 5000),
        ("organism", "dog"),
        ("sex", "hermaphrodite"),
        ("sex", "male,female"),
        ("organism", "Human"),
        ("expected_doublet_rate", "0"),
        ("expected_doublet_rate", "0.51"),
        ("expected_doublet_rate", "6%"),
        ("expected_doublet_rate", "nan"),
        ("expected_doublet_rate", "1e999"),
        ("expected_doublet_rate", "-0.1"),
        ("min_genes", "-1"),
        ("min_genes", "200.5"),
        ("max_genes", "0"),
        ("max_pct_mt", "101"),
        ("max_pct_mt", "5 %"),
        ("mad_genes", "0"),
        ("doublet_threshold", "1.1"),
        ("doublet_action", "keep"),
        ("cell_calling", "yes"),
        ("qc_preset", "shallow"),
        ("round_counts", "1"),
    ],
)
def test_values(tmp_path, column, value):
    row = {"sample": "a", "counts": "x", "group": "g"} | {column: value}
    text = io.StringIO()
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerow(row)
    problem = only(tmp_path, text.getvalue(), f"line 2, column {column}")
    assert problem.what.startswith(("'", '"'))
    assert len(problem.what) < 200


@pytest.mark.parametrize("column", ["sample", "counts"])
def test_needed_values(tmp_path, column):
    row = ",".join("" if name == column else "a" for name in ("sample", "counts"))
    only(tmp_path, f"sample,counts,donor\n{row},d\n", f"line 2, column {column}")


def test_samples_are_unique_in_any_case(tmp_path):
    only(tmp_path, "sample,counts\na,x\nb,x\na,y\n", "line 4, column sample", "'a'", "line 2")
    only(tmp_path, "sample,counts\na,x\nA,y\n", "line 3, column sample", "case")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x.h5,g,", "./x.h5,g,"),
        ("x.h5,g,c", "x.h5,g,c"),
        ("x.h5,g,c", "x.h5,g,"),
        ("a/b,,", "a//b,1,"),
    ],
)
def test_a_matrix_comes_once_in_a_group(tmp_path, one, other):
    text = f"sample,counts,group,cells\n1,{one}\n2,{other}\n"
    only(tmp_path, text, "line 3, column counts", "line 2", "twice")


def test_a_matrix_may_be_in_several_groups_or_divided_by_lists_of_cells(tmp_path):
    rows = ["x,g,a", "x,g,b", "x,h,", "x,,"]
    text = "".join(f"{number},{row}\n" for number, row in enumerate(rows))
    assert len(read(tmp_path, f"sample,counts,group,cells\n{text}")) == 4


def test_groups_are_consistent(tmp_path):
    head = "sample,counts,group,n_clusters,organism,tissue\n"
    assert len(read(tmp_path, head + "a,x,g,3,,blood\nb,y,g,3,human,blood\n")) == 2
    only(
        tmp_path,
        head + "a,x,g,3,,\nb,y,g,4,,\n",
        "line 3, column n_clusters",
        "'g'",
        "'4'",
        "'3'",
        "line 2",
    )
    only(tmp_path, head + "a,x,g,,mouse,\nb,y,g,,,\n", "line 3, column organism")
    only(tmp_path, head + "a,x,g,,,blood\nb,y,g,,,\n", "line 3, column tissue", "none")
    only(tmp_path, head + "a,x,g,,,\nb,y,G,,,\n", "line 3, column group", "case")
    only(tmp_path, head + "a,x,g,,dog,\nb,y,g,,,\n", "line 2, column organism", "'dog'")


def test_paths(tmp_path):
    text = "sample,counts,labels\na,x y.h5,label\nb,gone,lab/els.csv\nc,-x.h5,celltypes.tsv\n"
    paths = {
        "x y.h5": True,
        "gone": False,
        "label": False,
        "lab/els.csv": False,
        "-x.h5": True,
        "celltypes.tsv": True,
    }
    found = problems(tmp_path, text, paths=paths)
    assert [problem.where for problem in found] == [
        "sheet.csv, line 3, column counts",
        "sheet.csv, line 3, column labels",
    ]
    assert "'gone'" in found[0].what


def test_all_at_once_in_the_order_of_lines(tmp_path):
    text = "sample,counts,n_cluster,organism\na,x,0,dog\n,x,1,human\na,gone,2,\n"
    found = problems(tmp_path, text, paths={"gone": False})
    lines = [problem.where.split(", ")[1] for problem in found]
    assert lines == ["line 1", "line 2", "line 2", "line 3", "line 4", "line 4"]


def test_a_thousand_rows_in_time(tmp_path):
    rows = "".join(
        f"s{number},counts/{number}.h5,g{number // 4},auto,dog,{number},{number % 100}\n"
        for number in range(1000)
    )
    start = time.perf_counter()
    assert (
        len(problems(tmp_path, "sample,counts,group,n_clusters,organism,donor,max_pct_mt\n" + rows))
        == 1000
    )
    assert time.perf_counter() - start < 5


HOSTILE = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", "$(rm -rf /)", "`id`", "a" * 10_000, "'\"", "\0"]
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.lists(HOSTILE, min_size=1, max_size=5), max_size=4), quote=st.booleans())
def test_hostile_values_never_crash(tmp_path, rows, quote):
    text = io.StringIO()
    csv.writer(
        text, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL, escapechar="\\"
    ).writerows([["sample", "counts", "organism", "donor"], *rows])
    try:
        samples = read(tmp_path, text.getvalue().encode(errors="replace"))
    except InputError as error:
        for problem in error.problems:
            assert problem.what.isprintable()
            assert len(str(problem)) < 1000
    else:
        assert all(sample["sample"].isascii() for sample in samples)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=200))
def test_any_bytes_never_crash(tmp_path, content):
    for start in (b"", b"sample,counts\n"):
        try:
            read(tmp_path, start + content)
        except InputError as error:
            assert error.problems


def run(tmp_path, *, name="sheet.csv"):
    command = [
        sys.executable,
        ROOT / "bin/scsiameseclu_step",
        "intake",
        "check_samplesheet",
        "--samplesheet",
        "given",
    ]
    return subprocess.run(
        [
            *command,
            *("--schema", ROOT / "assets/schema_input.json"),
            *("--parameters", ROOT / "nextflow_schema.json"),
        ],
        cwd=tmp_path,
        input=json.dumps({"name": name, "defaults": DEFAULTS}),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "bin")},
    )


def test_command(tmp_path):
    (tmp_path / "given").write_text("sample,counts\na,x\n!,y\n")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "samples.json").read_text())[0]["counts"] == "x"
    mistakes = json.loads((tmp_path / "mistakes.json").read_text())
    assert [(mistake["line"], mistake["path"]) for mistake in mistakes] == [
        (2, "x"),
        (3, None),
        (3, "y"),
    ]
    assert mistakes[0]["problem"]["where"] == "sheet.csv, line 2, column counts"
    assert "Traceback" not in done.stderr


def test_the_command_reports_problems_of_the_whole_samplesheet(tmp_path):
    done = run(tmp_path, name="my sheet.csv")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "samples.json").read_text()) == []
    (mistake,) = json.loads((tmp_path / "mistakes.json").read_text())
    assert mistake["path"] is None
    assert mistake["problem"]["where"] == "my sheet.csv"


def test_cells_are_given_in_one_way_only(tmp_path):
    header = "sample,counts,cells,force_cells,expected_cells,cell_calling\n"
    samples = read(tmp_path, header + "a,x,c.txt,,,\nb,x,,300,,\nc,x,,,500,auto\nd,x,,,,none\n")
    assert [sample.get("cells") for sample in samples] == ["c.txt", None, None, None]
    assert [sample["overrides"] for sample in samples] == [
        {},
        {"force_cells": 300},
        {"expected_cells": 500, "cell_calling": "auto"},
        {"cell_calling": "none"},
    ]
    for row in (
        "a,x,c.txt,300,,",
        "a,x,c.txt,,300,",
        "a,x,,300,300,",
        "a,x,,300,,none",
        "a,x,c.txt,,,none",
    ):
        found = problems(tmp_path, f"{header}{row}\n")
        assert len(found) == 1
        assert "each says what its cells are" in found[0].what
        assert "Keep one of them" in found[0].remedy
    only(
        tmp_path,
        f"{header}a,x,,0,,\n",
        "line 2, column force_cells",
        "'0' is not a valid force_cells",
    )
    only(
        tmp_path,
        f"{header}a,x,c.txt,,,\n",
        "line 2, column cells",
        "no file 'c.txt'",
        paths={"c.txt": False},
    )


@pytest.mark.parametrize("value", ["HTO_1", "HTO_*", "HTO_1=a; HTO_2=b", "HTO 1=a b;C0251=T-cell"])
def test_hashtags_that_can_be_read(tmp_path, value):
    assert read(tmp_path, f"sample;counts;hashtags\na;x;'{value}'\n".replace("'", '"'))[0][
        "overrides"
    ] == {"hashtags": value}


@pytest.mark.parametrize("value", ["=a", "HTO_1=", "HTO_1=a=b", "HTO_1;;HTO_2", ";"])
def test_hashtags_that_cannot_be_read(tmp_path, value):
    only(
        tmp_path,
        f'sample\tcounts\thashtags\na\tx\t"{value}"\n',
        "line 2, column hashtags",
        "HTO_1=control",
    )
