"""A plausible full set of the report's inputs, for any number of samples and groups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from scsiameseclu.files import read_json, write_json, write_table
from sklearn.metrics import adjusted_rand_score

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert('x')</script>"
HOSTILE_NAMES = [
    f"B cell {HOSTILE}",
    'T "quoted" & <b>bold</b> cell',
    "Monocyte " + "long " * 60,
    "NK 🧬🔬 cell",
    "Dendritic's | cell, %{x} $a$",
]
TYPES = [
    "B cell",
    "T cell",
    "Monocyte",
    "NK cell",
    "Dendritic cell",
    "Unknown",
    "Platelet",
    "Plasma cell",
]
THRESHOLDS = {
    "min_genes": 200,
    "max_genes": 6000,
    "min_counts": 500,
    "max_counts": None,
    "max_pct_mt": 20.0,
}


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Parameters
    ----------
    n_samples, n_groups
        Samples, dealt out to the groups in turn.
    n_cells
        Barcodes per sample.
    failed
        Indices of samples that fail.
    labelled
        True if gold standards are given.
    n_clusters
        Clusters per group.
    unfiltered
        True if the cells of all samples were called, not only those of the first.
    corrected
        True if groups of several samples had their batches corrected.
    hostile
        True if extra columns, genes and cell types are out to break the report.
    scored
        True if cells were scored, and genes of interest given.
    """

    n_samples: int = 3
    n_groups: int = 2
    n_cells: int = 300
    failed: tuple[int, ...] = (2,)
    labelled: bool = True
    n_clusters: int = 5
    unfiltered: bool = False
    corrected: bool = True
    hostile: bool = False
    scored: bool = False


def simulate(directory: Path, plan: Plan, *, seed: int = 0) -> dict[str, Path]:
    """Write the inputs of ``report.tables`` into `directory` and return its options."""
    rng = np.random.default_rng(seed)
    for name in ("samples", "groups", "failures"):
        (directory / name).mkdir(parents=True)
    rows = [_settings(index, plan) for index in range(plan.n_samples)]
    kept = {}
    for index, row in enumerate(rows):
        if index in plan.failed:
            _write_failure(directory / "failures", row["sample"])
        else:
            kept[row["sample"]] = _write_sample(directory / "samples", row, plan, rng)
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row["sample"] for row in rows if row["group"] == group and row["sample"] in kept]
        if members:
            _write_group(
                directory / "groups", group, {name: kept[name] for name in members}, plan, rng
            )
    (directory / "samples.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    write_json(
        {
            "seed": 0,
            "n_top_genes": 1500,
            "input": "sheet.csv",
            "doublet_action": "remove",
            "device": "auto",
        },
        directory / "params.json",
    )
    write_json(_schema(), directory / "schema.json")
    needs = {"reading": 300, "filter": 400, "doublets": 9000}
    size = {"n_barcodes": plan.n_cells, "n_genes": 2000, "n_stored": 10**6, "n_cells": plan.n_cells}
    estimates = [
        {
            "sample": row["sample"],
            "group": row["group"],
            **size,
            "needs_mb": needs,
            "warning": "too much",
            "note": "",
        }
        for row in rows
        if row["sample"] in kept
    ]
    groups = [
        {
            "group": name,
            "n_cells": plan.n_cells,
            "n_values": 10**6,
            "needs_mb": {"group": 2100, "clustering": 8100},
        }
        | {"warning": "far too much"}
        for name in dict.fromkeys(row["group"] for row in rows)
    ]
    write_json(
        {"limit_mb": 8000, "samples": estimates, "groups": groups},
        directory / "samples" / "memory.json",
    )
    versions = {
        "CLUSTERING_SCSIAMESECLU": {"torch": "2.15.0", "scanpy": "1.11.5"},
        "Workflow": {"Nextflow": "25.04.4"},
    }
    (directory / "versions.yml").write_text(yaml.safe_dump(versions))
    return {
        "samples": directory / "samples",
        "groups": directory / "groups",
        "failures": directory / "failures",
        "samplesheet": directory / "samples.json",
        "parameters": directory / "params.json",
        "versions": directory / "versions.yml",
        "schema": directory / "schema.json",
    }


def _settings(index: int, plan: Plan) -> dict[str, Any]:
    extra = {"donor": f"D{index}"}
    if plan.hostile:
        extra = {
            HOSTILE: f"🧫 {HOSTILE} \"quoted\" 'value'",
            "note": "very " * 100,
            "batch": f"{index} {HOSTILE}",
        }
    return {
        "sample": f"sample_{index + 1}",
        "counts": f"counts/{index}.h5",
        "group": f"group_{index % plan.n_groups + 1}"
        if plan.n_groups < plan.n_samples
        else f"sample_{index + 1}",
        "n_clusters": "auto",
        "organism": "human",
        "tissue": "blood" if index else None,
        "expected_doublet_rate": None,
        "labels": "label" if plan.labelled else None,
        "overrides": {},
        "extra": extra,
    }


def _calling(ledger: pd.DataFrame) -> dict[str, Any]:
    counts = np.sort(ledger["total_counts"].to_numpy(int))[::-1]
    curve = {"rank": list(range(1, len(counts) + 1)), "counts": counts.tolist()}
    return {
        "status": "called",
        "lower": 100,
        "fdr": 0.001,
        "knee": 3000,
        "certain": 900,
        "n_tested": 50,
        "n_cells": 200,
        "curve": curve,
    }


def _write_failure(directory: Path, sample: str) -> None:
    problem = {
        "what": f"no cell is left of 120 barcodes {HOSTILE}",
        "where": f"{sample}, quality control",
        "remedy": "lower --min_genes, or leave the sample out",
    }
    record = {"id": sample, "step": "quality.filter", "problems": [problem]}
    write_json(record, directory / f"{sample}.failure.json")


def _write_sample(
    directory: Path, row: dict[str, Any], plan: Plan, rng: np.random.Generator
) -> pd.DataFrame:
    n, sample = plan.n_cells, row["sample"]
    ledger = pd.DataFrame(
        {
            "sample": sample,
            "barcode": [
                f"{''.join(rng.choice(list('ACGT'), 12))}{index:04d}-1" for index in range(n)
            ],
            "kept": True,
            "step": "",
            "rule": "",
            "value": np.nan,
            "threshold": np.nan,
            "total_counts": rng.lognormal(8.3, 0.7, n).round(),
            "n_genes_by_counts": rng.lognormal(7.0, 0.6, n).round(),
            "pct_counts_mt": rng.gamma(2.0, 3.0, n).round(3),
            "doublet_score": rng.beta(1.5, 12, n).round(4),
            "doublet": False,
        }
    )
    removed: dict[str, int] = {}
    few, much = ledger["n_genes_by_counts"] < 400, ledger["pct_counts_mt"] > 20
    doublets = ledger["doublet_score"] > 0.3
    for step, rule, broken in (
        ("filter", "min_genes", few),
        ("filter", "max_pct_mt", much),
        ("doublets", "doublet", doublets),
    ):
        out = broken & ledger["kept"]
        ledger.loc[out, ["kept", "step", "rule"]] = [False, step, rule]
        removed[rule] = int(out.sum())
    write_table(ledger, directory / f"{sample}.cell_ledger.tsv.gz")
    kept = ledger[ledger["kept"]]
    edges = np.linspace(0, 1, 41)
    write_json(
        {
            "sample": sample,
            "group": row["group"],
            "status": "ok",
            "format": "10x HDF5 v3",
            "n_barcodes": n,
            "n_kept": len(kept),
            "removed": removed,
            "cell_calling": _calling(ledger) if plan.unfiltered or sample == "sample_1" else None,
            "species": {"human": len(kept) - 30, "mouse": 20, "mixed": 10}
            if sample == "sample_1"
            else None,
            "sex": {
                "given": "female" if sample == "sample_1" else None,
                "call": "male" if sample == "sample_1" else "mixed",
                "note": "",
                "n_y_genes": 8,
                "cells_xist": 0.001,
                "cells_y": 0.9,
                "cells_both": 0.0,
                "counts_xist": 1e-6,
                "counts_y": 1e-3,
            },
            "n_genes": 2000,
            "median_genes": float(kept["n_genes_by_counts"].median()),
            "median_counts": float(kept["total_counts"].median()),
            "median_pct_mt": float(kept["pct_counts_mt"].median()),
            "thresholds": THRESHOLDS,
            "overrides": {},
            "organism": {
                "given": "human",
                "found": "human",
                "name": "",
                "evidence": "all genes, by id",
                "warning": "",
            },
            "warnings": [],
            "doublet_action": "remove",
            "doublets": {
                "status": "automatic",
                "expected_rate": 0.024,
                "threshold": 0.3,
                "n_predicted": int(doublets.sum()),
                "detected_rate": float(doublets.mean()),
                "histogram": {
                    "edges": edges,
                    "observed": np.histogram(ledger["doublet_score"], edges)[0],
                    "simulated": np.histogram(rng.beta(4, 8, 2 * n), edges)[0],
                },
                "note": "",
            },
            "notes": [],
        },
        directory / f"{sample}.qc.json",
    )
    return kept


def _write_group(
    directory: Path,
    group: str,
    samples: dict[str, pd.DataFrame],
    plan: Plan,
    rng: np.random.Generator,
) -> None:
    cells = pd.DataFrame(
        {
            "barcode": [
                f"{name}_{code}" for name, kept in samples.items() for code in kept["barcode"]
            ],
            "sample": [name for name, kept in samples.items() for _ in range(len(kept))],
        }
    )
    n, k = len(cells), plan.n_clusters
    truth = rng.choice(k, n, p=np.arange(k, 0, -1) / np.arange(k, 0, -1).sum())
    found = np.where(rng.random(n) < 0.95, truth, rng.choice(k, n))
    order = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    found = np.argsort(order)[found]
    names = (HOSTILE_NAMES if plan.hostile else TYPES) * (k // 5 + 1)
    cells["cluster"] = found.astype(str)
    cells["confidence"] = rng.beta(8, 2, n).round(4)
    cells["cell_type"] = [names[cluster] for cluster in found]
    cells["cluster_coarse"] = (found // 2).astype(str)
    halved = np.where((found % 2 == 0) & (k > 1) & (rng.random(n) < 0.4), found + k, found)
    cells["cluster_fine"] = np.unique(halved, return_inverse=True)[1].astype(str)
    write_table(cells, directory / f"{group}.clusters.tsv")
    _write_ambient(directory, group, list(samples), plan)
    angle = 2 * np.pi * truth / k
    places = 6 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(0, 1, (n, 2))
    umap = pd.DataFrame(
        {"barcode": cells["barcode"], "umap_1": places[:, 0], "umap_2": places[:, 1]}
    )
    if plan.scored:
        simulate_scores(directory, group, cells, HOSTILE if plan.hostile else "T cell")
    if len(samples) > 1:
        _write_batches(directory, group, cells)
        if plan.corrected:
            apart = places + 4 * cells["sample"].map(list(samples).index).to_numpy()[:, None]
            umap = umap.assign(uncorrected_1=apart[:, 0], uncorrected_2=apart[:, 1])
    write_table(umap, directory / f"{group}.umap.tsv")
    others = {
        name: np.where(rng.random(n) < share, found, rng.choice(k, n)).astype(str)
        for name, share in {
            "consensus": 0.97,
            "leiden": 0.8,
            "leiden_k": 0.85,
            "kmeans": 0.7,
        }.items()
    }
    methods = {"scsiameseclu": found.astype(str), **others}
    _write_evidence(directory, group, cells, names, plan, rng)
    if len(samples) > 1:
        path = directory / f"{group}.clustering.json"
        write_json(
            read_json(path) | {"batch_correction": _batch_correction(plan, len(samples))}, path
        )
    scores = (
        {"acc": 0.91, "nmi": 0.85, "ari": adjusted_rand_score(truth, found)}
        if plan.labelled
        else {}
    )
    if plan.labelled:
        shares = {
            str(cluster): {"label": names[cluster], "share": 0.5 + 0.4 * cluster / k}
            for cluster in range(k)
        }
        shares["0"] = {"label": None, "share": None}
        scores["marker_agreement"] = {"top_n": 50, "mean": 0.75, "clusters": shares}
    write_json(
        {
            "n_cells": n,
            "n_genes": 2000,
            "n_clusters": k,
            "silhouette": 0.41,
            "stability_ari": 0.9 if k > 1 else None,
            "device": "cpu",
            "seconds": 12.3,
            "peak_memory_mb": 812.0,
            **scores,
            "comparison": {
                name: {"n_clusters": k, "silhouette": 0.3}
                | ({"acc": 0.8, "nmi": 0.8, "ari": 0.7} if plan.labelled else {})
                for name in others
            },
            "agreement": {
                one: {other: adjusted_rand_score(methods[one], methods[other]) for other in methods}
                for one in methods
            },
        },
        directory / f"{group}.metrics.json",
    )
    if plan.labelled:
        labels = pd.Series([names[label] for label in truth], name="label")
        table = pd.crosstab(labels, cells["cluster"]).reset_index()
        table.columns = [str(column) for column in table.columns]
        write_table(table, directory / f"{group}.contingency.tsv")


def _write_ambient(directory: Path, group: str, samples: list[str], plan: Plan) -> None:
    """Write the ambient RNA of a group whose first sample leaks; of the others nothing is known."""
    n_unknown = len(samples) - 1
    gene = HOSTILE_NAMES[0] if plan.hostile else "HBB"
    table = pd.DataFrame(
        {
            "sample": samples,
            "n_droplets_in_profile": [4321] + [0] * n_unknown,
            "contamination": [0.31 if plan.hostile else 0.12] + [None] * n_unknown,
            "low": [0.1] + [None] * n_unknown,
            "high": [0.4] + [None] * n_unknown,
            "top_genes": [f"{gene}, LYZ"] + [""] * n_unknown,
            "note": [""] + ["No estimate: the sample came without its empty droplets."] * n_unknown,
        }
    )
    write_table(table, directory / f"{group}.ambient.tsv")
    genes = {"sample": samples[0], "gene": [gene, "LYZ"], "share_of_ambient": [0.05, 0.02]}
    write_table(pd.DataFrame(genes), directory / f"{group}.ambient_genes.tsv")


def _write_batches(directory: Path, group: str, cells: pd.DataFrame) -> None:
    samples = sorted(cells["sample"].unique())
    pairs = [(one, other) for place, one in enumerate(samples) for other in samples[place + 1 :]]
    table = pd.DataFrame(pairs, columns=["sample", "other"])
    far = (table["sample"] == samples[0]) | (table["other"] == samples[0])
    table["distance"] = np.where(far, 0.2, 0.05) + 0.001 * np.arange(len(table))
    write_table(table.assign(n_cell_types=3), directory / f"{group}.sample_distances.tsv")
    figures = {"ilisi_before": 0.1, "clisi_before": 0.99, "over_expected_before": 0.25}
    figures |= {"ilisi_after": 0.8, "clisi_after": 0.98, "over_expected_after": 0.95}
    sizes = cells["cell_type"].value_counts()
    types = [
        {"cell_type": name, "n_cells": int(size), "n_batches": len(samples), **figures}
        for name, size in sizes.items()
    ]
    types[-1] |= {"n_batches": 1} | {name: None for name in figures if not name.startswith("clisi")}
    whole = {"n_cells": len(cells), "n_batches": len(samples), **figures}
    write_json(
        {"n_batches": len(samples), "all": whole, "cell_types": types},
        directory / f"{group}.mixing.json",
    )


def simulate_scores(directory: Path, group: str, cells: pd.DataFrame, name: str) -> None:
    """Write what the scores of cells are; `name` is that of a gene set and of a gene."""
    n, clusters = len(cells), sorted(cells["cluster"].unique(), key=int)
    shares = {"share_G1": 0.7, "share_S": 0.2, "share_G2M": 0.1}
    means = {"mean_S_score": -0.1, "mean_G2M_score": -0.2, "mean_dissociation": 4.0}
    rows = [{"cluster": cluster, "sample": None, "n_cells": 9} for cluster in clusters]
    table = pd.DataFrame(rows).assign(**shares, **means, median_dissociation=2.5)
    high = np.where(table["cluster"] == "0", "yes", "no")
    write_table(table.assign(high_dissociation=high), directory / f"{group}.cell_scores.tsv")
    known = {"set": name, "column": "score_set", "n_genes": 10, "n_found": 8}
    lost = {"set": "thin", "column": None, "n_genes": 30, "n_found": 1}
    sets = pd.DataFrame({"cluster": clusters}).assign(**known, mean=0.5, median=0.5)
    write_table(sets, directory / f"{group}.gene_set_scores.tsv")
    shown = [name, "GENE3"]
    profiles = pd.DataFrame({"cluster": np.repeat(clusters, 2), "gene": shown * len(clusters)})
    profiles = profiles.assign(share=0.5, mean=1.5)
    write_table(profiles, directory / f"{group}.genes_of_interest.tsv")
    values = np.where(np.arange(n) % 5, 0, np.arange(n) / n)
    drawn = cells[["barcode"]].assign(phase=[("G1", "S", "G2M")[i % 3] for i in range(n)])
    drawn = drawn.assign(pct_counts_dissociation=20 * np.arange(n) / n, score_set=np.arange(n) / n)
    drawn = drawn.assign(gene_0=values, gene_1=3 * values)
    write_table(drawn, directory / f"{group}.drawn_cells.tsv")
    genes: list[dict[str, Any]] = [{"gene": gene, "found": gene} for gene in shown]
    genes.append({"gene": f"GENE3{name}", "found": None, "nearest": "GENE3"})
    found = {"S phase": [43, 43], "G2M phase": [54, 54], "dissociation stress": [26, 26]}
    account = {"n_genes": found, "gene_sets": [known, lost], "genes": genes}
    write_json(account | {"notes": []}, directory / f"{group}.cell_scores.json")


def _batch_correction(plan: Plan, n_batches: int) -> dict[str, Any]:
    reason = "cells lie beside their own batch" if plan.corrected else "the batches mix as they are"
    return {
        "requested": "auto",
        "corrected": plan.corrected,
        "reason": reason,
        "n_batches": n_batches,
        "need": 0.25 if plan.corrected else 0.95,
        "validity": 0.9,
        "shared": 0.8,
        "cluster_agreement": {str(k): 0.9 - 0.4 * (k == 1) for k in range(plan.n_clusters)}
        if plan.corrected
        else {},
    }


def _write_evidence(
    directory: Path,
    group: str,
    cells: pd.DataFrame,
    names: list[str],
    plan: Plan,
    rng: np.random.Generator,
) -> None:
    k = plan.n_clusters
    genes = [HOSTILE if plan.hostile and index == 0 else f"GENE{index}" for index in range(12)]
    fold_changes = {"LOWER": -2.0} | {gene: 5.0 - 0.3 * rank for rank, gene in enumerate(genes)}
    markers = [
        {
            "cluster": str(cluster),
            "gene": gene if gene in genes[:2] else f"{gene}_{cluster}",
            "avg_log2FC": fold_change,
            "pct.1": 0.9,
            "pct.2": 0.05,
            "p_val": 1e-40,
            "p_val_adj": 2e-36,
        }
        for cluster in range(k)
        for gene, fold_change in fold_changes.items()
        if k > 1
    ]
    columns = ["cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj"]
    write_table(pd.DataFrame(markers, columns=columns), directory / f"{group}.markers.tsv")
    sizes = cells["cluster"].value_counts()
    annotation = [
        {
            "cluster": str(cluster),
            "n_cells": int(sizes.get(str(cluster), 0)),
            "cell_type": names[cluster],
            "score": 0.8 - 0.1 * cluster / k,
            "margin": 0.2,
            "runner_up": names[(cluster + 1) % len(names)],
            "evidence": f"{genes[0]}, GENE2, GENE3",
        }
        for cluster in range(k)
    ]
    if plan.labelled:
        for row in annotation:
            row |= {"reference_type": names[0], "reference_score": 0.875, "reference_agrees": "no"}
        _write_opinions(directory, group, annotation)
        _write_differential(directory, group, genes)
        _write_composition_test(directory, group, names)
    write_table(pd.DataFrame(annotation), directory / f"{group}.annotation.tsv")
    _write_lacking(directory, group)
    _write_expression(directory, group, k, genes, rng)
    steps = np.arange(1, 251)
    terms = {
        name: scale * (0.3 + np.exp(-steps / 40))
        for name, scale in {"crr": 1.0, "lrr": 0.5, "pr": 0.1, "rec": 2.0, "zinb": 3.0}.items()
    }
    otc = np.where(steps > 150, 0.5 * np.exp(-(steps - 150) / 12), np.nan)
    history = pd.DataFrame(
        {"step": steps, "phase": np.where(steps > 150, "clustering", "warmup"), **terms, "otc": otc}
    )
    history["total"] = history[[*terms, "otc"]].sum(axis=1) + rng.normal(0, 0.01, len(steps))
    write_table(history if k > 1 else history.head(0), directory / f"{group}.training_history.tsv")
    write_json(
        {
            "n_clusters": k,
            "n_clusters_requested": "auto",
            "stability_ari": 0.9 if k > 1 else None,
            **simulated_tree(cells, k),
            "batch_correction": None,
            "cuts": {"cluster_coarse": 0.2, "cluster": 0.44, "cluster_fine": 0.5},
            "limits": {"need": 0.9, "validity": 0.75, "shared": 0.4, "cluster": 0.65},
            "device": "cpu",
            "seconds": 12.3,
            "peak_memory_mb": 812.0,
            "method": "scsiameseclu",
            "notes": [] if k > 1 else ["One cluster only: nothing tells the cells apart."],
        },
        directory / f"{group}.clustering.json",
    )


def simulated_tree(cells: pd.DataFrame, k: int) -> dict[str, Any]:
    """Return the tree of the cells' clusters as ``clustering.json`` has it."""
    known = cells.astype({"cluster": int, "cluster_coarse": int, "cluster_fine": int})
    levels = ["cluster", "cluster_coarse", "cluster_fine"]
    leaves = known.groupby(levels).size().rename("n_cells").reset_index().to_dict("records")
    stability = {cluster: 0.95 - 0.6 * cluster / k for cluster in range(k)}
    found = [stability[leaf["cluster"]] for leaf in leaves]
    merges: list[dict[str, Any]] = []
    if k > 1:
        tops = {leaf["cluster_fine"]: (leaf, place) for place, leaf in enumerate(leaves)}
        for level, met in (("cluster", 0.5), ("cluster_coarse", 0.32), ("", 0.2)):
            joined: dict[Any, tuple[dict[str, Any], int]] = {}
            for leaf, node in tops.values():
                name = leaf.get(level, 0)
                if name in joined:
                    nodes = [joined[name][1], node]
                    merges.append({"nodes": nodes, "co_association": met - 0.002 * len(merges)})
                    found.append(stability[leaf["cluster"]] if level == "cluster" else 0.8)
                    node = len(leaves) + len(merges) - 1
                joined[name] = (leaf, node)
            tops = joined
    return {
        "cluster_stability": {str(cluster): value for cluster, value in stability.items()},
        "levels": {level: int(known[level].max()) + 1 for level in levels},
        "dendrogram": {
            "leaves": leaves,
            "merges": merges,
            "stability": found,
        },
    }


def _write_lacking(directory: Path, group: str) -> None:
    row = {"field": "tissue_type", "state": f"not of this form: {HOSTILE_NAMES[:2]}"}
    row |= {"needed": "tissue or organoid", "example": "tissue", "where": "column of the sheet"}
    write_table(pd.DataFrame([row, row]), directory / f"{group}.cellxgene_missing.tsv")


def _write_opinions(directory: Path, group: str, annotation: list[dict[str, Any]]) -> None:
    rows = [
        {
            **{name: row[name] for name in ("cluster", "n_cells", "cell_type")},
            "source": source,
            "opinion": row["cell_type"] if source == "SingleR" else HOSTILE,
            "share": 0.75,
            "mean_score": 0.5,
            "mean_delta": 0.125,
            "agreement": "agrees" if source == "SingleR" else "disagrees",
        }
        for source in ("SingleR", "CellTypist")
        for row in annotation
    ]
    write_table(pd.DataFrame(rows), directory / f"{group}.second_opinion.tsv")


def _write_differential(directory: Path, group: str, genes: list[str]) -> None:
    rows = [
        {
            "cluster": "1",
            "condition": "treated",
            "baseline": "control",
            "contrast": "treated vs control",
            "gene": gene,
            "base_mean": 12.5,
            "log2_fold_change": 2.0 if index % 2 == 0 else -2.0,
            "p_value": 1e-5 * (index + 1),
            "p_value_adjusted": 0.001 if index < 4 else 0.5,
        }
        for index, gene in enumerate(genes)
    ]
    write_table(pd.DataFrame(rows), directory / f"{group}.differential_expression.tsv")
    notes = ["cluster 0, 'treated' against 'control': <b>too few</b>"]
    account = {"condition": "donor", "formula": "~ day + donor", "notes": notes}
    write_json(account, directory / f"{group}.differential_expression.json")


def _write_composition_test(directory: Path, group: str, names: list[str]) -> None:
    rows = [
        {
            "cell_type": name,
            "condition": "D1",
            "baseline": "D0",
            "mean_share_condition": 0.1,
            "mean_share_baseline": 0.2,
            "n_samples_condition": 3 if index else 1,
            "n_samples_baseline": 3,
            "log_odds_ratio": -0.5 if index else None,
            "p_val": 0.001 if index else None,
            "p_val_adj": 0.01 if index else None,
            "detectable_odds_ratio": 1.5 if index else None,
            "note": "low power: <b>few</b>" if index else "not tested: 1 of 'D1'",
        }
        for index, name in enumerate(dict.fromkeys(names))
    ]
    write_table(pd.DataFrame(rows), directory / f"{group}.composition_test.tsv")


def _write_expression(
    directory: Path, group: str, k: int, genes: list[str], rng: np.random.Generator
) -> None:
    account = {
        "genes": "inner",
        "n_genes_in": 1500,
        "n_genes": 1500,
        "min_cells_per_gene": 3,
        "n_top_genes": 1500,
        "n_pcs": 50,
        "target_sum": 1e4,
        "seed": 0,
        "notes": ["The samples have <b>1500</b> genes in common."],
    }
    write_json(account, directory / f"{group}.expression.json")
    means = rng.gamma(0.5, 1.0, 1500)
    dispersions = rng.normal(0, 1, 1500) ** 3
    table = {
        "gene": [f"GENE{index}" for index in range(1500)],
        "mean": means,
        "dispersion": dispersions,
    }
    write_table(
        pd.DataFrame(table).assign(highly_variable=dispersions > 1),
        directory / f"{group}.genes.tsv",
    )
    shown = list(
        dict.fromkeys(
            [*genes[:2], *(f"{gene}_{cluster}" for cluster in range(k) for gene in genes[2:4])]
        )
    )
    shares = rng.random((k, len(shown)))
    profiles = {
        "cluster": np.repeat([str(cluster) for cluster in range(k)], len(shown)),
        "gene": shown * k,
        "share": shares.ravel(),
        "mean": 3 * shares.ravel(),
    }
    table = pd.DataFrame(profiles)
    write_table(table if k > 1 else table.head(0), directory / f"{group}.profiles.tsv")


def _schema() -> dict[str, Any]:
    return {
        "$defs": {
            "options": {
                "properties": {
                    "seed": {
                        "type": "integer",
                        "default": 0,
                        "description": "Seed of all random numbers.",
                    },
                    "n_top_genes": {
                        "type": "integer",
                        "default": 2000,
                        "description": "Highly variable genes.",
                    },
                    "input": {"type": "string", "description": "Samplesheet."},
                    "doublet_action": {
                        "type": "string",
                        "default": "remove",
                        "description": "What to do with doublets.",
                    },
                }
            }
        }
    }
