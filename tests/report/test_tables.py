"""Every number of the report equals the one in the files, for whatever is there."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json, read_table, write_json, write_table
from scsiameseclu.intake.sheet_schema import row_schema
from scsiameseclu.report import clustering
from scsiameseclu.report import methods as methods_module
from scsiameseclu.report.clustering import convergence
from scsiameseclu.report.content import thin
from scsiameseclu.report.inputs import CELL_METRICS
from scsiameseclu.report.palette import (
    BASE,
    SAFEST,
    UNKNOWN,
    cell_type_colors,
    cluster_color,
    cluster_colors,
    graded,
)
from scsiameseclu.report.tables import head_of_report, write_tables
from scsiameseclu.report.verdict import tell_failures
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.report.simulate import HOSTILE, TYPES, Plan, simulate

METHODS = Path(__file__).parents[2] / "assets" / "methods_description_template.yml"


def write(
    directory: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, *, add=None, **options
) -> tuple[Path, Path]:
    """Simulate, write the tables, and return the folders of inputs and outputs.

    `add` is called with the folder of the inputs before the tables are written.
    """
    inputs, outputs = directory / "in", directory / "out"
    paths = simulate(inputs, plan)
    if add:
        add(inputs)
    outputs.mkdir()
    monkeypatch.chdir(outputs)
    write_tables(**paths, methods=METHODS, **options)
    return inputs, outputs


def content(outputs: Path, section: str) -> dict:
    return json.loads((outputs / f"{section}_mqc.json").read_text())


def methods_text(outputs: Path) -> str:
    """Return the text of the methods on one line."""
    return " ".join(content(outputs, "methods")["data"].split())


def colouring(outputs: Path, name: str, plot: str = "umap_1") -> list[dict]:
    """Return the clouds of a UMAP by the name of its switch."""
    options = content(outputs, plot)["pconfig"]
    places = [label["name"] for label in options["data_labels"]]
    return options["extra_series"][places.index(name)]


@pytest.fixture
def three(tmp_path, monkeypatch):
    return write(tmp_path, Plan(), monkeypatch)


def test_the_verdict_repeats_the_summaries_of_quality_control(three):
    inputs, outputs = three
    rows = content(outputs, "verdict_table")["data"]
    quality = read_json(inputs / "samples" / "sample_1.qc.json")
    row = rows["sample_1"]
    assert row["status"] == "OK"
    assert row["cells_in"] == quality["n_barcodes"]
    assert row["cells_kept"] == quality["n_kept"]
    assert row["kept_percent"] == 100 * quality["n_kept"] / quality["n_barcodes"]
    assert row["median_genes"] == quality["median_genes"]
    assert row["pct_mt"] == quality["median_pct_mt"]
    assert row["pct_doublets"] == 100 * quality["doublets"]["detected_rate"]
    metrics = read_json(inputs / "groups" / "group_1.metrics.json")
    assert row["n_clusters"] == metrics["n_clusters"]
    assert row["stability"] == metrics["stability_ari"]


def test_the_head_of_the_report_has_a_project_that_is_a_number():
    settings = head_of_report({"report_project": 4711, "report_contact": "<b>"})
    assert settings["report_header_info"] == [{"Project": "4711"}, {"Contact": "&lt;b&gt;"}]


def test_a_failed_sample_is_named_with_its_reason(three):
    rows = content(three[1], "verdict_table")["data"]
    assert rows["sample_3"]["status"] == "FAILED"
    assert "no cell is left of 120 barcodes &lt;script&gt;" in rows["sample_3"]["reason"]
    assert "sample_3" not in content(three[1], "cell_ledger")["data"][0]


def test_the_verdict_begins_with_the_count_of_each_status(three):
    assert (
        "<strong>2 OK, 1 FAILED (sample_3).</strong>"
        in content(three[1], "verdict_table")["description"]
    )


def test_groups_have_their_metrics(three):
    inputs, outputs = three
    metrics = read_json(inputs / "groups" / "group_2.metrics.json")
    row = content(outputs, "groups")["data"]["group_2"]
    assert row.pop("samples") == 1
    assert row == {key: metrics[key] for key in row}
    assert {
        "n_cells",
        "n_genes",
        "n_clusters",
        "stability_ari",
        "silhouette",
        "acc",
        "nmi",
        "ari",
    } == set(row)


def test_variable_genes_are_points_of_their_table(three):
    inputs, outputs = three
    genes = read_table(inputs / "groups" / "group_1.genes.tsv").sort_values("mean")
    section = content(outputs, "variable_genes")
    variable, other = section["pconfig"]["extra_series"][0]
    chosen = genes[genes["highly_variable"]]
    assert np.array(variable["pairs"]) == pytest.approx(
        chosen[["mean", "dispersion"]].to_numpy(), abs=0.0051
    )
    assert len(other["pairs"]) == len(genes) - len(chosen)
    assert f"{len(chosen):,} of {len(genes):,}" in section["description"]


def test_cells_are_graded_by_their_metrics_in_the_ledger(three):
    inputs, outputs = three
    ledger = read_table(inputs / "samples" / "sample_1.cell_ledger.tsv.gz")
    kept = ledger[ledger["kept"]].set_index("barcode")
    places = read_table(inputs / "groups" / "group_1.umap.tsv").set_index("barcode")
    for metric, name in CELL_METRICS.items():
        clouds = colouring(outputs, name)
        assert sum(len(cloud["pairs"]) for cloud in clouds) == len(places)
        edge = float(clouds[0]["name"].removeprefix("Below ").replace(",", ""))
        low = kept.index[kept[metric] < edge]
        expected = places.loc[[f"sample_1_{barcode}" for barcode in low]]
        assert np.array(clouds[0]["pairs"]) == pytest.approx(expected.to_numpy(), abs=0.0051)


def test_marker_dots_show_share_and_mean_of_the_profiles(three):
    inputs, outputs = three
    profiles = read_table(inputs / "groups" / "group_1.profiles.tsv", dtype={"cluster": str})
    picture = content(outputs, "marker_dots")["data"]
    assert picture.count("<details open>") == 1
    assert picture.count("<circle") == len(profiles) + len(
        read_table(inputs / "groups" / "group_2.profiles.tsv")
    )
    row = profiles[(profiles["cluster"] == "2") & (profiles["gene"] == "GENE1")].iloc[0]
    title = f"<title>{100 * row['share']:.0f} &#37; of the cells, mean {row['mean']:.2f}</title>"
    before = picture[: picture.index(title)]
    assert f'r="{9 * row["share"] ** 0.5:.1f}"' in before[before.rindex("<circle") :]


def test_the_same_type_has_the_same_colour_in_all_plots(three):
    outputs = three[1]
    bars = {
        name: bar["color"] for name, bar in content(outputs, "composition")["categories"][0].items()
    }
    for plot in ("umap_1", "umap_2"):
        clouds = colouring(outputs, "Cell type", plot)
        assert {cloud["name"]: cloud["color"] for cloud in clouds}.items() <= bars.items()


def test_a_colour_never_means_other_cells_in_the_next_group(three):
    outputs = three[1]
    colors = {
        f"group_{number}": {
            cloud["name"]: cloud["color"]
            for cloud in colouring(outputs, "Cluster", f"umap_{number}")
        }
        for number in (1, 2)
    }
    for name, clusters in colors.items():
        assert len(set(clusters.values())) == len(clusters), name
    for categories in content(outputs, "cluster_sizes")["categories"]:
        for key, bar in categories.items():
            group, _, _ = key.rpartition(": ")
            assert colors[group][bar["name"]] == bar["color"]


def test_clusters_of_one_type_are_shades_and_those_of_none_take_free_colours():
    types = {
        "a": {"0": "T", "1": "B", "2": "T", "3": "Unknown"},
        "b": {"0": "B", "1": "Unknown", "2": "T"},
    }
    of_type, colors = cell_type_colors(["T", "B"]), cluster_colors(types)
    assert colors["a"]["0"] == colors["b"]["2"] == of_type["T"]
    assert colors["a"]["1"] == colors["b"]["0"] == of_type["B"]
    assert len({colors["a"]["2"], colors["a"]["3"], colors["b"]["1"], *of_type.values()}) == 6
    unknown = {name: dict.fromkeys(map(str, range(5)), "Unknown") for name in "abc"}
    assert (
        len({color for group in cluster_colors(unknown).values() for color in group.values()}) == 15
    )
    many = {
        "a": dict.fromkeys(map(str, range(200)), "Unknown"),
        "b": dict.fromkeys(map(str, range(20)), "T"),
    }
    assert [len(colors) for colors in cluster_colors(many).values()] == [200, 20]


def test_the_ledger_counts_every_barcode_once(three):
    inputs, outputs = three
    ledger = read_table(inputs / "samples" / "sample_2.cell_ledger.tsv.gz")
    row = content(outputs, "cell_ledger")["data"][0]["sample_2"]
    assert row["kept"] == ledger["kept"].sum()
    assert row["min_genes"] == (ledger["rule"] == "min_genes").sum()
    assert row["max_pct_mt"] == (ledger["rule"] == "max_pct_mt").sum()
    assert row["doublet"] == (ledger["rule"] == "doublet").sum()
    assert sum(row.values()) == len(ledger)
    assert content(outputs, "ledger_sums")["data"]["sample_2"]["sum"] == 0


def test_thresholds_are_those_of_the_summaries(three):
    inputs, outputs = three
    row = content(outputs, "thresholds")["data"]["sample_1"]
    thresholds = read_json(inputs / "samples" / "sample_1.qc.json")["thresholds"]
    assert {rule: row.get(rule) for rule in thresholds} == thresholds
    assert "max_counts" not in content(outputs, "thresholds")["headers"]


def test_a_sample_without_a_cell_is_in_the_ledger_and_reconciles(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    ledger = read_table(paths["samples"] / "sample_1.cell_ledger.tsv.gz").head(120)
    ledger = ledger.assign(sample="sample_3", kept=False, step="filter", rule="min_genes")
    write_table(ledger, paths["samples"] / "sample_3.cell_ledger.tsv.gz")
    account = {
        "sample": "sample_3", "group": "group_1", "status": "failed", "format": "h5ad",
        "n_barcodes": 120, "n_kept": 0, "removed": {"empty": 0, "min_genes": 120},
        "cell_calling": None, "thresholds": {"min_genes": 9000}, "notes": [],
    }  # fmt: skip
    write_json(account, paths["samples"] / "sample_3.qc.json")
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    assert content(tmp_path, "cell_ledger")["data"][0]["sample_3"] == {"kept": 0, "min_genes": 120}
    sums = content(tmp_path, "ledger_sums")["data"]["sample_3"]
    assert (sums["in"], sums["kept"], sums["sum"]) == (120, 0, 0)
    verdict = content(tmp_path, "verdict_table")["data"]["sample_3"]
    assert (verdict["status"], verdict["cells_in"], verdict["cells_kept"]) == ("FAILED", 120, 0)
    assert "2 of 3 ok, 1 failed" in (tmp_path / "summary.txt").read_text()


def test_species_are_shown_where_there_are_two(three):
    inputs, outputs = three
    species = read_json(inputs / "samples" / "sample_1.qc.json")["species"]
    assert content(outputs, "species")["data"] == [{"sample_1": species}]


def test_the_sex_of_each_sample_is_shown(three):
    _, outputs = three
    rows = content(outputs, "sex")["data"]
    assert (rows["sample_1"]["given"], rows["sample_1"]["call"]) == ("female", "male")
    assert rows["sample_2"]["call"] == "mixed"


def test_genes_of_another_organism_are_a_warning(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    summary = paths["samples"] / "sample_1.qc.json"
    warning = (
        "The genes look like those of mouse (20 of 20 genes, by id), but the "
        "organism is given as human."
    )
    summary.write_text(json.dumps(read_json(summary) | {"organism": {"warning": warning}}))
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    row = content(tmp_path, "verdict_table")["data"]["sample_1"]
    assert row["status"] == "WARN"
    assert warning in row["reason"]


def test_the_methods_name_the_markers_definitions_and_limits(three, tmp_path, monkeypatch):
    assert "FindAllMarkers of Seurat 5 (Hao et al., 2024)" in methods_text(three[1])
    paths = simulate(tmp_path / "other", Plan())
    given = read_json(paths["parameters"]) | {"seurat_compat": 4, "min_pct": 0.2}
    paths["parameters"].write_text(json.dumps(given))
    monkeypatch.chdir(tmp_path / "other")
    write_tables(**paths, methods=METHODS)
    assert "of Seurat 4 (Hao et al., 2024; min.pct = 0.2)" in methods_text(tmp_path / "other")


def test_barcode_ranks_are_drawn_where_cells_were_called(three):
    inputs, outputs = three
    calling = read_json(inputs / "samples" / "sample_1.qc.json")["cell_calling"]
    (curves,) = content(outputs, "barcode_rank")["data"]
    assert curves["Barcodes"] == [
        list(point) for point in zip(*calling["curve"].values(), strict=True)
    ]
    assert curves["Cells from 900"] == [[1, 900], [300, 900]]
    assert curves["Knee 3,000"] == [[1, 3000], [300, 3000]]
    assert "separated from empty droplets" in methods_text(outputs)


def test_filtered_matrices_have_no_barcode_ranks(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    summary = paths["samples"] / "sample_1.qc.json"
    summary.write_text(json.dumps(read_json(summary) | {"cell_calling": None}))
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    assert not (tmp_path / "barcode_rank_mqc.json").exists()
    assert "empty droplets" not in methods_text(tmp_path)


def test_empty_droplets_are_no_loss(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    summary = paths["samples"] / "sample_1.qc.json"
    quality = read_json(summary)
    quality["n_barcodes"] += 10_000
    quality["removed"]["not_a_cell"] = 10_000
    summary.write_text(json.dumps(quality))
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    row = content(tmp_path, "verdict_table")["data"]["sample_1"]
    assert row["kept_percent"] == 100 * quality["n_kept"] / (quality["n_barcodes"] - 10_000)
    assert row["status"] == "OK"


def test_boxes_are_quantiles_of_the_ledger(three):
    inputs, outputs = three
    ledger = read_table(inputs / "samples" / "sample_1.cell_ledger.tsv.gz")
    (boxes,) = content(outputs, "distribution_n_genes_by_counts")["data"]
    kept = ledger.loc[ledger["kept"], "n_genes_by_counts"]
    assert boxes["sample_1, before"]["median"] == ledger["n_genes_by_counts"].median()
    assert boxes["sample_1, after"]["median"] == kept.median()
    assert boxes["sample_1, after"]["q3"] == kept.quantile(0.75)
    lines = content(outputs, "distribution_n_genes_by_counts")["pconfig"]["x_lines"]
    assert {line["value"] for line in lines} == {200, 6000}


def test_doublet_histograms_are_shares(three):
    inputs, outputs = three
    histogram = read_json(inputs / "samples" / "sample_1.qc.json")["doublets"]["histogram"]
    curve = content(outputs, "doublet_scores")["data"][0]["Observed"]
    observed, simulated = np.array(histogram["observed"]), np.array(histogram["simulated"])
    filled = observed + simulated > 0
    middles = (np.array(histogram["edges"][:-1]) + histogram["edges"][1:])[filled] / 2
    assert [x for x, _ in curve] == pytest.approx(middles, abs=1e-4)
    # A bin without scores adds to the width of those beside it: the area stays the share.
    half = (histogram["edges"][1] - histogram["edges"][0]) / 2
    ends = np.r_[middles[0] - half, (middles[1:] + middles[:-1]) / 2, middles[-1] + half]
    area = np.array([y for _, y in curve]) * np.diff(ends) / (2 * half)
    assert area == pytest.approx(100 * observed[filled] / observed.sum(), abs=1e-2)
    assert area.sum() == pytest.approx(100, abs=0.1)


def test_scores_of_few_values_leave_no_gaps_between_them(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    path = paths["samples"] / "sample_1.qc.json"
    quality = read_json(path)
    counts = [0, 10, 0, 0, 0, 30, 0, 20, 40, 0, 0]
    quality["doublets"]["histogram"] = {
        "edges": [number / 10 for number in range(12)],
        "observed": counts,
        "simulated": [2 * count for count in counts],
    }
    write_json(quality, path)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    curve = content(tmp_path, "doublet_scores")["data"][0]["Observed"]
    assert curve == [[0.15, 4.0], [0.55, 10.0], [0.75, 13.333], [0.85, 40.0]]


def test_training_curves_come_from_their_files(three):
    inputs, outputs = three
    history = read_table(inputs / "groups" / "group_1.training_history.tsv")
    training = content(outputs, "training")
    names = [label["name"] for label in training["pconfig"]["data_labels"]]
    assert names[:2] == ["Total, warm-up", "Total, clustering"]
    parts = [training["data"][place]["group_1"] for place in (0, 1)]
    assert [len(part) for part in parts] == history["phase"].value_counts()[
        ["warmup", "clustering"]
    ].tolist()
    assert [x for part in parts for x, _ in part] == history["step"].tolist()
    assert [y for part in parts for _, y in part] == pytest.approx(history["total"], rel=1e-4)
    transport = training["data"][names.index("Transport (OTC)")]["group_1"]
    assert len(transport) == history["otc"].notna().sum()


def test_the_tree_has_the_sizes_and_the_stability_of_every_cluster(three):
    inputs, outputs = three
    section = content(outputs, "cluster_tree")["data"]
    assert section.count("<details") == section.count("<svg") == 2
    first = ET.fromstring(re.search("<svg.*?</svg>", section).group())
    texts = ["".join(element.itertext()) for element in first.iter("text")]
    clusters = read_table(inputs / "groups" / "group_1.clusters.tsv", dtype=str)
    summary = read_json(inputs / "groups" / "group_1.clustering.json")
    for cluster, n_cells in clusters["cluster"].value_counts().items():
        place = len(texts) - 1 - texts[::-1].index(TYPES[int(cluster)])
        shown = [
            cluster,
            TYPES[int(cluster)],
            f"{n_cells:,}",
            f"{summary['cluster_stability'][cluster]:.2f}",
        ]
        assert texts[place - 1 : place + 3] == shown
    for cluster, n_cells in clusters["cluster_fine"].value_counts().items():
        assert any(
            texts[place : place + 2] == [cluster, f"{n_cells:,}"] for place in range(len(texts))
        )
    assert {"coarse: 3", "default: 5", "fine: 8"} <= set(texts)
    colors = {element.get("fill") for element in first.iter("rect")}
    cells = content(outputs, "cluster_sizes")["categories"][0]
    assert {category["color"] for category in cells.values()} <= colors, (
        "those of the bars and of the UMAP"
    )


def test_a_group_whose_labels_are_the_consensus_says_so(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan(n_samples=1, n_groups=1, failed=()))
    path = paths["groups"] / "sample_1.clustering.json"
    notes = ["The labels are those of the training-free consensus: <b>."]
    write_json(read_json(path) | {"notes": notes, "n_clusters_requested": 7}, path)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    section = content(tmp_path, "cluster_tree")["data"]
    assert (
        "7 were asked for. The labels are those of the training-free consensus: &lt;b&gt;."
        in section
    )


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (("auto", "auto"), "cut at a mean co-association of 0.44."),
        (
            ("auto", 5),
            "co-association of 0.44, and in 1 of 2 groups into the requested number of clusters.",
        ),
        ((4, 5), "cut into the requested number of clusters."),
    ],
)
def test_the_methods_say_where_the_trees_were_cut(tmp_path, monkeypatch, requested, words):
    paths = simulate(tmp_path / "in", Plan(failed=()))
    for number, asked in enumerate(requested, start=1):
        path = paths["groups"] / f"group_{number}.clustering.json"
        summary = read_json(path)
        cut = summary["cuts"]["cluster"] if asked == "auto" else None
        summary |= {"n_clusters_requested": asked, "cuts": summary["cuts"] | {"cluster": cut}}
        write_json(summary, path)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    assert words in methods_text(tmp_path)


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        (({"corrected": True}, {"corrected": False}), "In 1 group, batches were corrected"),
        (({"corrected": False}, None), "Batches were not corrected."),
        ((None, None), ""),
    ],
)
def test_the_methods_say_whether_batches_were_corrected(tmp_path, monkeypatch, decisions, words):
    paths = simulate(tmp_path / "in", Plan(failed=()))
    for number, decision in enumerate(decisions, start=1):
        path = paths["groups"] / f"group_{number}.clustering.json"
        write_json(read_json(path) | {"batch_correction": decision}, path)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    methods = methods_text(tmp_path)
    assert words in methods
    assert ("corrected" in methods) == bool(words)


def as_placed(groups: Path, group: str) -> pd.DataFrame:
    """Turn the tables of a simulated group into those of placed cells; return its clusters."""
    clusters = read_table(groups / f"{group}.clusters.tsv", dtype={"cluster": str})
    clusters["unlike_known"] = np.arange(len(clusters)) % 3 == 0
    write_table(clusters, groups / f"{group}.clusters.tsv")
    summary = read_json(groups / f"{group}.clustering.json")
    left_out = ("dendrogram", "levels")
    placed = {key: value for key, value in summary.items() if key not in left_out}
    placed |= {"method": "placement", "cluster_stability": {}, "notes": ["Placed <b>."]}
    write_json(placed | {"placement": {"n_unlike_known": 7}}, groups / f"{group}.clustering.json")
    write_table(
        pd.DataFrame(columns=["step", "phase", "total"]), groups / f"{group}.training_history.tsv"
    )
    return clusters


def test_placed_cells_are_counted_by_cluster(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan(hostile=True))
    clusters, _ = (as_placed(paths["groups"], f"group_{number}") for number in (1, 2))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_tables(**paths, methods=METHODS)
    rows = content(Path(), "clusters")["data"]
    of_group = [row for name, row in rows.items() if name.startswith("group_1, ")]
    assert sum(row["n_cells"] for row in of_group) == len(clusters)
    assert sum(row["unlike"] for row in of_group) == clusters["unlike_known"].sum()
    assert "unlike known" in content(Path(), "clusters")["description"].lower()
    own = clusters[clusters["cluster"] == "0"]
    row = rows["group_1, cluster 0"]
    assert row["n_cells"] == len(own)
    assert row["confidence"] == pytest.approx(own["confidence"].mean())
    assert row["unlike_share"] == pytest.approx(100 * own["unlike_known"].mean())
    assert "<script>" not in row["cell_type"]
    assert "Placed &lt;b&gt;." in content(Path(), "cluster_tree")["data"]
    methods = methods_text(Path())
    assert "not clustered but placed" in methods
    assert "Of the placed cells, 14 are unlike" in methods
    assert "all genes were kept" in methods
    assert "$" not in methods
    assert not Path("training_mqc.json").exists()


def test_without_a_base_nothing_was_placed(three):
    clusters = content(three[1], "clusters")
    assert not {"unlike", "unlike_share"} & set(clusters["headers"])
    assert "--base" not in clusters["description"]
    assert "genes detected in fewer than" in methods_text(three[1])


def test_each_phase_of_the_training_is_judged_by_itself(three):
    inputs, outputs = three
    history = read_table(inputs / "groups" / "group_1.training_history.tsv")
    rows = content(outputs, "training_table")["data"]
    for name, phase in (("group_1, warm-up", "warmup"), ("group_1, clustering", "clustering")):
        total = history.loc[history["phase"] == phase, "total"].to_numpy()
        tenth = len(total) // 10
        assert rows[name]["steps"] == len(total)
        assert rows[name]["first"] == pytest.approx(total[:tenth].mean())
        assert rows[name]["last"] == pytest.approx(total[-tenth:].mean())
        assert rows[name]["verdict"] == convergence(total)


@pytest.mark.parametrize("most", [500, 2500, 20_000])
def test_the_text_of_the_training_has_the_number_of_its_points(tmp_path, monkeypatch, most):
    monkeypatch.setattr(clustering, "_MAX_LOSSES", most)
    section = content(write(tmp_path, Plan(), monkeypatch)[1], "training")
    n_drawn = sum(len(curve) for some in section["data"] for curve in some.values())
    total = 2 * (6 * 250 + 100)  # groups; the total, five terms, and one of the second phase
    words = f"{n_drawn:,} of {total:,} points are drawn."
    assert n_drawn == total if most > total else 0.9 * most < n_drawn <= most
    assert (words in section["description"]) == (n_drawn < total)
    assert ("drawn" in section["description"]) == (n_drawn < total)


def test_every_cell_is_drawn_where_it_lies(three):
    inputs, outputs = three
    places = read_table(inputs / "groups" / "group_1.umap.tsv")
    clusters = read_table(inputs / "groups" / "group_1.clusters.tsv", dtype={"cluster": str})
    for view in ("Cluster", "Cell type", "Coarse cluster", "Fine cluster", "Confidence"):
        clouds = colouring(outputs, view)
        assert sum(len(cloud["pairs"]) for cloud in clouds) == len(places)
    cloud = colouring(outputs, "Cluster")[0]
    expected = places[clusters["cluster"] == "0"][["umap_1", "umap_2"]]
    assert np.array(cloud["pairs"]) == pytest.approx(expected.to_numpy(), abs=0.005)


@pytest.mark.parametrize("n_groups", [2, 5])
@pytest.mark.parametrize("max_points", [150, 12_000])
def test_the_text_of_a_umap_has_the_number_of_its_points(
    tmp_path, monkeypatch, n_groups, max_points
):
    plan = Plan(n_samples=5, n_groups=n_groups, failed=(), scored=True)
    _, outputs = write(tmp_path, plan, monkeypatch, max_points=max_points)
    sections = [json.loads(path.read_text()) for path in outputs.glob("umap*_mqc.json")]
    sections = [of for of in sections if of["id"] != "umap_correction"]
    assert len(sections) == 2 if n_groups == 2 else len(sections) > 6
    for of in sections:
        views = of["pconfig"]["extra_series"]
        numbers = {sum(len(cloud["pairs"]) for cloud in view) for view in views}
        if n_groups == 5:  # the views are groups, each with the same colours
            numbers = {sum(len(cloud["pairs"]) for view in views for cloud in view)}
        text = of["description"].replace(",", "")
        (most, least) = re.search(
            r"(?:All )?(\d+)(?: of \d+)? cells are drawn(?: or (\d+) in some colours)?\.", text
        ).groups()
        assert {int(most), int(least or most)} == {max(numbers), min(numbers)}


def test_sizes_composition_and_stability_add_up(three):
    inputs, outputs = three
    clusters = read_table(inputs / "groups" / "group_1.clusters.tsv", dtype={"cluster": str})
    bars = content(outputs, "cluster_sizes")["data"][0]
    assert all(len(bar) == 1 for bar in bars.values())
    sizes = {key.removeprefix("group_1: "): n for bar in bars.values() for key, n in bar.items()}
    assert sizes == clusters["cluster"].value_counts().to_dict()
    assert list(map(int, sizes)) == sorted(map(int, sizes))
    by_type = content(outputs, "composition")["data"][0]["sample_1"]
    assert by_type == clusters["cell_type"].value_counts().to_dict()
    row = content(outputs, "clusters")["data"]["group_1, cluster 1"]
    summary = read_json(inputs / "groups" / "group_1.clustering.json")
    assert row["stability"] == summary["cluster_stability"]["1"]
    assert row["n_cells"] == sizes["1"]
    assert row["confidence"] == pytest.approx(
        clusters.loc[clusters["cluster"] == "1", "confidence"].mean()
    )


def test_methods_are_compared_by_the_adjusted_rand_index(three):
    inputs, outputs = three
    agreement = read_json(inputs / "groups" / "group_1.metrics.json")["agreement"]
    found = content(outputs, "comparison_1")
    assert found["data"][2][0] == found["data"][0][2] == agreement["leiden"]["scsiameseclu"]
    assert found["xcats"][2] == "Leiden, resolution 1"


def test_the_reference_stands_beside_the_markers(three):
    row = content(three[1], "clusters")["data"]["group_1, cluster 0"]
    assert row["reference_score"] == 0.875
    assert row["reference_agrees"] == "no"
    assert row["reference_type"]


def test_differences_between_conditions_and_what_was_not_tested(three):
    section = content(three[1], "differential_expression")
    row = section["data"]["group_1, cluster 1, treated"]
    assert row["count"] == 4
    assert row["baseline"] == "control"
    assert "GENE2" in row["up"]
    assert "GENE2" not in row["down"]
    assert "GENE1" in row["down"]
    assert "GENE4" not in row["up"]
    assert "&lt;b&gt;too few&lt;/b&gt;" in section["description"]


def test_a_volcano_plot_names_the_surest_genes(three):
    section = content(three[1], "volcano")
    clouds = {cloud["name"]: cloud["pairs"] for cloud in section["pconfig"]["extra_series"][0]}
    assert clouds["GENE2"] == [[2.0, 4.52]]
    assert clouds["GENE1"] == [[-2.0, 4.7]]
    assert len(clouds["Other genes"]) == 8
    names = [label["name"] for label in section["pconfig"]["data_labels"]]
    assert names[0].startswith("group_1, 1 (")
    assert names[0].endswith("treated vs control")


def test_the_surest_genes_stand_in_a_table(three):
    rows = content(three[1], "top_differences")["data"]
    row = rows["group_1, cluster 1, treated: GENE2"]
    assert (row["log2_fold_change"], row["base_mean"], row["p_value_adjusted"]) == (
        2.0,
        12.5,
        0.001,
    )
    assert len(rows) == 8


def test_shares_between_conditions_with_what_was_not_tested(three):
    rows = list(content(three[1], "composition_test")["data"].values())
    assert rows[0]["note"] == '<span class="wrapped">not tested: 1 of &#39;D1&#39;</span>'
    assert "p_val_adj" not in rows[0]
    assert "&lt;b&gt;few&lt;/b&gt;" in rows[1]["note"]
    assert rows[1]["mean_share_condition"] == 10
    assert rows[1]["odds"] == pytest.approx(np.exp(-0.5))


def test_a_point_for_each_sample_of_a_condition(three):
    section = content(three[1], "composition_shares")
    assert section["pconfig"]["boxpoints"] == "all"
    assert all(len(values) == 1 for plot in section["data"] for values in plot.values())
    assert any(name.endswith(", D0") for name in section["data"][0])


def test_what_was_lost_in_joining_samples(three):
    row = content(three[1], "group_genes")["data"]["group_1"]
    assert row["genes"] == "those of all samples"
    assert "&lt;b&gt;1500&lt;/b&gt;" in row["notes"]


def test_markers_against_the_gold_standard(three):
    inputs, outputs = three
    agreement = read_json(inputs / "groups" / "group_1.metrics.json")["marker_agreement"]
    rows = content(outputs, "marker_agreement")["data"]
    assert rows["group_1, mean"]["share"] == 100 * agreement["mean"]
    assert "share" not in rows["group_1, cluster 0"]
    assert rows["group_1, cluster 1"]["share"] == 100 * agreement["clusters"]["1"]["share"]


def test_markers_beyond_the_first_ten_are_there_on_demand(three):
    cell = content(three[1], "markers")["data"]["group_1, cluster 0"]["genes"]
    shown, more = cell.split("<details>")
    assert shown.count(",") == 9
    assert "2 more" in more
    assert "GENE11_0" in more


def test_genes_that_are_lower_in_a_cluster_are_not_among_its_top_markers(three):
    inputs, outputs = three
    markers = read_table(inputs / "groups" / "group_1.markers.tsv")
    assert markers.loc[0, "gene"] == "LOWER_0", "the strongest gene is a lower one"
    row = content(outputs, "markers")["data"]["group_1, cluster 0"]
    assert "LOWER" not in row["genes"]
    assert row["count"] == 12


def test_markers_annotation_and_scores_come_from_their_files(three):
    inputs, outputs = three
    first = read_table(inputs / "groups" / "group_1.markers.tsv").iloc[1]
    row = content(outputs, "markers")["data"]["group_1, cluster 0"]
    assert (row["avg_log2FC"], row["pct_1"], row["p_val_adj"]) == (
        first["avg_log2FC"],
        90.0,
        first["p_val_adj"],
    )
    assert row["genes"].split("<details>")[0].count(",") == 9
    annotation = read_table(inputs / "groups" / "group_1.annotation.tsv").iloc[1]
    row = content(outputs, "clusters")["data"]["group_1, cluster 1"]
    assert (row["score"], row["cell_type"]) == (annotation["score"], annotation["cell_type"])
    metrics = read_json(inputs / "groups" / "group_1.metrics.json")
    row = content(outputs, "scores")["data"]["group_1"]
    assert row["acc"] == metrics["acc"]
    assert row["ari_leiden"] == metrics["comparison"]["leiden"]["ari"]


def test_contingency_is_shown_as_shares_of_the_labels(three):
    inputs, outputs = three
    counts = read_table(inputs / "groups" / "group_1.contingency.tsv").set_index("label")
    found = content(outputs, "contingency_1")
    assert found["ycats"] == counts.index.tolist()
    expected = 100 * counts.div(counts.sum(axis=1), axis=0)
    assert np.array(found["data"]) == pytest.approx(expected.to_numpy(), abs=0.051)


def test_changed_parameters_come_first(three):
    rows = content(three[1], "parameters")["data"]
    # One that the schema has no default for is changed, too.
    changed = ["--input", "--n_top_genes"]
    assert list(rows)[:2] == changed
    assert [name for name, row in rows.items() if row.get("changed")] == changed


def test_the_memory_expected_is_told(three):
    section = content(three[1], "memory_estimate")
    row = section["data"]["sample_1"]
    needs = [row[step] for step in ("reading", "filter", "doublets", "group", "clustering")]
    assert needs == [300, 400, 9000, 2100, 8100]
    assert "too much far too much" in row["remark"]
    assert "8,000 MB" in section["description"]


def test_a_gpu_that_was_not_found_is_told(three):
    devices = {row["device"] for row in content(three[1], "resources")["data"].values()}
    assert devices == {"cpu (no GPU was found)"}


def test_versions_and_methods_tell_this_run(three):
    inputs, outputs = three
    assert content(outputs, "versions")["data"]["torch"]["version"] == "2.15.0"
    methods = methods_text(outputs)
    kept = sum(read_json(path)["n_kept"] for path in (inputs / "samples").glob("*.qc.json"))
    assert f"{kept:,} cells remained" in methods
    assert "at least 200 detected genes" in methods
    assert "$" not in methods


def methods_of(tmp_path, monkeypatch, plan=None, failures=(), **parameters) -> str:
    """Return the methods text of a run with these parameters, and without its markup."""
    paths = simulate(tmp_path / "in", plan or Plan())
    write_json(read_json(paths["parameters"]) | parameters, paths["parameters"])
    versions = {
        "ANNOTATION_REFERENCE": {"scikit-learn": "1.8.9"},
        "ANNOTATION_DIFFERENTIAL": {"pydeseq2": "0.5.9"},
    }
    paths["versions"].write_text(json.dumps(versions))
    for group in failures:
        problem = {"what": "no fit", "where": group, "remedy": "look"}
        record = {"id": group, "step": "benchmark.compare", "problems": [problem]}
        write_json(record, paths["failures"] / f"{group}.failure.json")
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    return methods_text(tmp_path)


def test_methods_have_what_the_samplesheet_sets_for_samples(tmp_path, monkeypatch):
    """Doublets kept in one of two, and barcodes of those of which cells are left."""

    def add(folder: Path) -> None:
        first, second = sorted((folder / "samples").glob("*.qc.json"))
        write_json(read_json(first) | {"doublet_action": "annotate"}, first)
        failed = {"sample": "sample_3", "n_barcodes": 737_280, "n_kept": 0, "status": "failed"}
        failed["thresholds"] = {"min_genes": 9000}
        write_json(read_json(second) | failed, second.with_name("sample_3.qc.json"))

    _, outputs = write(tmp_path, Plan(), monkeypatch, add=add)
    text = methods_text(outputs)
    assert "3 samples went through" in text
    assert "Of the 600 barcodes of 2 samples, those with at least 200 detected genes," in text
    assert "and removed, but kept in 1 sample; " in text


def test_methods_read_no_column_of_the_samplesheet_from_the_parameters() -> None:
    parameters = json.loads((METHODS.parents[1] / "nextflow_schema.json").read_text())
    columns = json.loads((METHODS.parent / "schema_input.json").read_text())
    read = {*methods_module._PARAMETERS}
    read |= set(re.findall(r"parameters\.get\(\s*\"(\w+)", inspect.getsource(methods_module)))
    assert {"seed", "benchmark"} <= read
    assert not read & set(row_schema(columns, parameters)["items"]["properties"])


def test_methods_name_the_reference_and_what_it_found(tmp_path, monkeypatch):
    methods = methods_of(tmp_path, monkeypatch, reference_label="<i>cell</i> type")
    assert "(its labels &#39;&lt;i&gt;cell&lt;/i&gt; type&#39;) named 10 of 10 clusters;" in methods
    assert "markers and reference agree on 0 of the 10 that both name" in methods
    assert "scikit-learn 1.8.9" in methods
    assert "Platt" in methods


def test_methods_name_the_comparison_of_conditions(tmp_path, monkeypatch):
    methods = methods_of(tmp_path, monkeypatch)
    assert "Conditions (column &#39;donor&#39; of the samplesheet)" in methods
    assert (
        "pydeseq2 0.5.9 (Muzellec et al., Bioinformatics 39, btad547, 2023): 2 "
        "comparisons with 8 genes" in methods
    )
    assert "adjusted p-value below 0.05. Of the comparisons, 2 could not be made." in methods
    assert "Love et al." in methods
    assert "summed by sample with the model &#39;~ day + donor&#39;, so that" in methods
    assert "Phipson et al." in methods


def test_methods_name_the_benchmark_of_the_groups_that_went_through_it(tmp_path, monkeypatch):
    methods = methods_of(
        tmp_path, monkeypatch, failures=["group_2"], benchmark=True, benchmark_seeds=3
    )
    assert "As a benchmark, 1 labelled group went through" in methods
    assert "k-means with 3 seeds each" in methods
    assert "and without, and the labels" in methods
    assert "Blondel" in methods
    further = methods_of(
        tmp_path / "further", monkeypatch, benchmark=True, benchmark_methods="dec,scgnn"
    )
    assert (
        "and without, and through published methods (dec,scgnn) with the true number, and"
        in further
    )


def test_methods_name_nothing_that_was_not_used(tmp_path, monkeypatch):
    methods = methods_of(tmp_path, monkeypatch, plan=Plan(labelled=False), benchmark=True)
    for word in ("reference,", "DESeq2", "Phipson", "benchmark", "Blondel", "Platt"):
        assert word not in methods, word


def test_the_summary_has_four_lines(three):
    lines = (three[1] / "summary.txt").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0] == "Samples:  2 of 3 ok, 1 failed"
    assert lines[2] == "Clusters: 5 in group_1, 5 in group_2"
    assert lines[3].startswith("Accuracy: ACC 0.91 NMI 0.85")


def test_without_labels_there_are_no_scores(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(labelled=False), monkeypatch)
    assert not (outputs / "scores_mqc.json").exists()
    assert not (outputs / "contingency_1_mqc.json").exists()
    assert "Stability: 0.90 in group_1" in (outputs / "summary.txt").read_text()


def test_a_single_cluster_has_no_empty_sections(tmp_path, monkeypatch):
    plan = Plan(n_samples=1, n_groups=1, failed=(), labelled=False, n_clusters=1)
    _, outputs = write(tmp_path, plan, monkeypatch)
    written = {path.name.removesuffix("_mqc.json") for path in outputs.glob("*_mqc.json")}
    assert not written & {*("markers", "marker_dots", "training", "comparison_1", "scores")}
    assert {"umap_1", "clusters", "cluster_sizes", "cluster_tree"} <= written
    names = [label["name"] for label in content(outputs, "umap_1")["pconfig"]["data_labels"]]
    assert "Sample" not in names
    assert "Cluster" in names
    tree = content(outputs, "cluster_tree")["data"]
    assert "one cluster" in tree
    assert "<svg" not in tree
    assert "not measured" in (outputs / "summary.txt").read_text()


def test_when_everything_failed_the_verdict_remains(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(n_samples=2, failed=(0, 1)), monkeypatch)
    written = {path.name.removesuffix("_mqc.json") for path in outputs.glob("*_mqc.json")}
    assert written == {
        "verdict_table",
        "failed_steps",
        "samplesheet",
        "parameters",
        "versions",
    }


def test_folders_that_were_never_staged_are_empty(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan(n_samples=1, n_groups=1, failed=(0,)))
    monkeypatch.chdir(tmp_path)
    write_tables(
        **paths | {"groups": tmp_path / "none", "samples": tmp_path / "none"}, methods=METHODS
    )
    assert (tmp_path / "verdict_table_mqc.json").exists()


def test_many_samples_switch_instead_of_crowding(tmp_path, monkeypatch):
    plan = Plan(n_samples=30, n_groups=5, n_cells=60, failed=(), n_clusters=3, unfiltered=True)
    _, outputs = write(tmp_path, plan, monkeypatch)
    ranks = content(outputs, "barcode_rank")["pconfig"]
    assert len(set(ranks["colors"].values())) == 30
    assert ranks["dash_styles"] == {}
    assert "dashed" not in content(outputs, "barcode_rank")["description"]
    assert content(outputs, "marker_dots")["data"].count("<details") == 5
    assert len(content(outputs, "doublet_scores")["data"]) == 2
    assert len(content(outputs, "distribution_total_counts")["data"]) == 2
    assert len(content(outputs, "umap_sample")["pconfig"]["data_labels"]) == 5
    assert content(outputs, "cluster_tree")["data"].count("<svg") == 5
    assert content(outputs, "comparison_1")["ycats"] == [f"group_{index}" for index in range(1, 6)]


def test_of_very_many_groups_some_trees_are_drawn_and_all_are_counted(tmp_path, monkeypatch):
    _, outputs = write(
        tmp_path,
        Plan(n_samples=26, n_groups=26, n_cells=60, failed=(25,), n_clusters=3),
        monkeypatch,
    )
    section = content(outputs, "cluster_tree")
    assert section["data"].count("<svg") == 4
    assert "Of the 25 groups the first 4 are drawn here." in section["description"]
    assert section["data"].count("3 clusters (2 coarse, ") == 25


def test_cells_above_the_limit_are_thinned_evenly(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(n_cells=500), monkeypatch, max_points=100)
    clouds = [
        cloud for plot in ("umap_1", "umap_2") for cloud in colouring(outputs, "Cluster", plot)
    ]
    assert 95 <= sum(len(cloud["pairs"]) for cloud in clouds) <= 100
    fewer = [
        cloud for plot in ("umap_1", "umap_2") for cloud in colouring(outputs, "Confidence", plot)
    ]
    assert 15 <= sum(len(cloud["pairs"]) for cloud in fewer) <= 20
    assert thin(10, 0.5).tolist() == [0, 2, 4, 6, 8]


def test_the_same_input_gives_the_same_bytes(tmp_path, monkeypatch):
    _, one = write(tmp_path / "one", Plan(), monkeypatch)
    _, two = write(tmp_path / "two", Plan(), monkeypatch)
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (np.exp(-np.arange(200) / 20), "Converged"),
        (np.linspace(1, 0, 200), "Still falling"),
        (np.r_[np.linspace(1, 0, 100), np.linspace(0, 0.6, 100)], "Rising again"),
        (np.r_[np.ones(50), np.nan], "Diverged"),
        (np.ones(50), "Converged"),
        (1 + np.random.default_rng(0).normal(0, 0.1, 200), "Converged"),
        (np.ones(2), "Too short to say"),
        (1 - np.exp(-np.arange(200) / 20), "Ended higher"),
        (np.linspace(0, 1, 200), "Ended higher"),
        (np.r_[0.0, np.linspace(2, 1, 199)], "Still falling"),
    ],
)
def test_convergence_is_judged_by_the_last_tenth(curve, verdict):
    assert convergence(curve) == verdict


def test_a_cell_type_keeps_its_colour_and_no_two_share_one():
    few, many = (
        cell_type_colors(["B", "T"]),
        cell_type_colors(f"type {index}" for index in range(30)),
    )
    assert few["Unknown"] == UNKNOWN
    assert cell_type_colors(["T", "B", "Unknown"]) == few
    assert len(set(many.values())) == 31
    assert cluster_color(0) != cluster_color(len(BASE))


# How red, green and blue look without red (protanopia) and without green cones (deuteranopia):
# Machado 2009.
_BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize(
    "matrix", [np.eye(3), *map(np.array, _BLIND.values())], ids=["all", *_BLIND]
)
def test_the_first_colours_are_told_apart_by_everyone(matrix):
    colors = [*SAFEST, UNKNOWN]
    channels = np.array([list(bytes.fromhex(color.removeprefix("#"))) for color in colors]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ matrix.T, 0, 1)
    encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(encoded)
    apart = deltaE_ciede2000(lab[:, None], lab[None])
    assert apart[np.triu_indices(len(colors), 1)].min() > 5, "2 is a just noticeable difference"


def test_few_types_get_the_safest_colours_and_a_scale_ends_at_its_ends():
    assert set(cell_type_colors(f"type {index}" for index in range(7)).values()) == {
        *SAFEST,
        UNKNOWN,
    }
    assert (graded(0), graded(1), graded(7)) == ("#fde725", "#440154", "#440154")


def test_the_verdict_names_every_failure(tmp_path):
    paths = simulate(tmp_path, Plan(n_samples=2, failed=(0, 1)))
    with pytest.raises(InputError) as caught:
        tell_failures(failures=paths["failures"])
    assert [problem.what.split(":")[0] for problem in caught.value.problems] == [
        "sample sample_1, quality.filter",
        "sample sample_2, quality.filter",
    ]
    assert "lower --min_genes" in str(caught.value)


FAILED = [
    ("group_1", "annotation.export", "no export"),
    ("group_1", "annotation.differential", "no fit"),
    ("group_1", "annotation.differential", "no fit of seed 2"),
    ("group_2", "evaluation.scores", f"no scores {HOSTILE}"),
]


def add_failures(folder: Path) -> None:
    for number, (group, step, what) in enumerate(FAILED):
        problem = {"what": what, "where": f"here {HOSTILE}", "remedy": f"do {number} {HOSTILE}"}
        record = {"id": group, "step": step, "problems": [problem]}
        write_json(record, folder / "failures" / f"{number}.{group}.{step}.failure.json")


def test_every_failed_step_is_in_the_report_with_its_remedy(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(), monkeypatch, add=add_failures)
    rows = content(outputs, "failed_steps")["data"]
    shown = [f"{name} {' '.join(row.values())}" for name, row in rows.items()]
    sample = ("sample_3", "quality.filter", "no cell is left")
    for number, (name, step, what) in enumerate([*FAILED, sample]):
        remedy = f"do {number} &lt;script" if number < len(FAILED) else "lower --min_genes"
        (row,) = [row for row in shown if remedy in row]
        assert row.startswith(f"{name}, {step}")
        assert what.split(" <")[0] in row
    assert len(rows) == len(FAILED) + 1
    assert HOSTILE not in (outputs / "failed_steps_mqc.json").read_text()
    verdicts = content(outputs, "verdict_table")["data"]
    assert {row["status"] for row in verdicts.values()} == {"WARN", "FAILED"}
    assert "Failed steps" in verdicts["sample_1"]["reason"]
    assert "2 with warnings" in (outputs / "summary.txt").read_text()


def test_without_a_failure_there_are_no_failed_steps(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(failed=()), monkeypatch)
    assert not (outputs / "failed_steps_mqc.json").exists()
    statuses = {row["status"] for row in content(outputs, "verdict_table")["data"].values()}
    assert statuses == {"OK"}


def test_the_verdict_is_silent_when_nothing_failed(tmp_path):
    tell_failures(failures=tmp_path)


def test_hostile_values_leave_no_markup(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(hostile=True), monkeypatch)
    for path in outputs.glob("*_mqc.json"):
        assert HOSTILE not in path.read_text(), path.name
        assert "<b>bold" not in path.read_text(), path.name


def test_missing_columns_of_the_history_are_no_reason_to_stop(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    history = paths["groups"] / "group_1.training_history.tsv"
    pd.read_csv(history, sep="\t")[["total"]].to_csv(history, sep="\t", index=False)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    assert content(tmp_path, "training")["data"][0]["group_1"][0][0] == 1
