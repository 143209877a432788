"""The user's command ``recut``: a group's result at another detail, without a new run.

It cuts the tree of the run anew and hands the cut to the very steps of the pipeline that follow the
clustering, so that its files are what they would make of these labels.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import pandas as pd

from ..annotation.clustered import RUN, UNCORRECTED_PICTURE, UNCORRECTED_UMAP
from ..annotation.subtraction import CORRECTED
from ..blocks import opened, write_tables
from ..contracts import BATCH, GUIDE, HASHTAG, PROTEIN
from ..errors import InputError, quoted
from ..files import read_json, write_h5ad, write_json, write_table
from . import published
from .published import ASSETS, HISTORY, MODEL, SUMMARY, Known

if TYPE_CHECKING:
    from ..clustering.estimator import ScSiameseClu

_MADE_FROM_CLUSTERS = (
    "cluster cluster_coarse cluster_fine cluster_sub cluster_confidence cluster_uncorrected "
    "consensus cell_type cell_type_ontology_term_id"
)
"""Columns of ``obs`` that a group has not before it is clustered."""
NAMED_AFTER_THE_GROUP = ("h5ad", "h5mu", "seurat.rds", "sce.rds", "cellxgene.h5ad")
PUBLISHED = (
    f"{MODEL} {SUMMARY} {HISTORY} clusters.tsv markers.tsv annotation.tsv composition.tsv "
    "metrics.json mixing.json sample_distances.tsv contingency.tsv modalities.json "
    "protein_markers.tsv protein_profiles.tsv hashtags.tsv guides.tsv cellxgene_missing.tsv"
).split()
"""Files of a group that are made anew, as far as the run made them."""
NEEDS_A_RUN = (
    f"differential_expression.tsv differential_expression.json {published.PSEUDOBULK} "
    "composition_test.tsv subclusters.tsv subclusters.json submarkers.tsv "
    "ambient.tsv ambient_genes.tsv ambient_markers.tsv second_opinion.tsv "
    "cell_scores.tsv cell_scores.json gene_set_scores.tsv genes_of_interest.tsv"
).split()
"""Files of a group by cluster that are not."""


def recut(
    result: Path,
    /,
    *,
    n_clusters: int | None = None,
    detail: float | None = None,
    output: Path | None = None,
    markers: Path | None = None,
    reference: Path | None = None,
) -> None:
    """Give a group another number of clusters, or another detail, without a new run.

    scsiameseclu recut results/groups/GROUP --n_clusters 12

    Labels, markers, cell types, metrics, figures and the report are made anew from the tree of
    clusters. The run's own files stay as they are.

    Parameters
    ----------
    result
        Folder of a group, results/groups/GROUP.
    n_clusters
        Number of clusters.
    detail
        Or how fine the clusters are: 0 coarse, 1 fine.
    output
        Folder that is made for the new files. Default: beside the group's, named after the cut.
    markers
        Marker sets. Default: those of the run.
    reference
        Labelled reference of the run, if it is no longer where it was.
    """
    if (n_clusters is None) == (detail is None):
        raise InputError.of(
            what="A cut needs either a number of clusters or a detail.",
            where="the command line",
            remedy="Give one of --n_clusters and --detail.",
        )
    known = Known.read(result)
    asked = f"n_clusters_{n_clusters}" if detail is None else f"detail_{detail:g}"
    place = (output or result.absolute().parent / f"{known.group}.{asked}").absolute()
    if place.exists():
        raise InputError.of(
            what=f"{quoted(place)} exists already and is not overwritten.",
            where="--output",
            remedy="Name another folder with --output, or remove that one.",
        )
    known = known.with_own(markers=markers, reference=reference)
    model = _cut(known, n_clusters=n_clusters, detail=detail)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".recut.") as folder:
        work, made = Path(folder, "work"), Path(folder, "made")
        work.mkdir()
        with chdir(work):
            _steps(known, model)
            unmade = published.write_report(known)
        _publish(known.group, work, made)
        made.rename(place)
    n_before = known.adata.obs["cluster"].nunique()
    print(f"{known.group}: {model.n_clusters_} clusters in place of {n_before}, see {place}")
    if left := [name for name in NEEDS_A_RUN if (known.folder / name).exists()]:
        print(f"Not updated, because this needs a run with --n_clusters: {', '.join(left)}")
    if unmade:
        print(f"There is no report: {unmade}")


def _cut(known: Known, *, n_clusters: int | None, detail: float | None) -> ScSiameseClu:
    # Here, as below: ``scsiameseclu --help`` need not wait for torch.
    from ..clustering.estimator import ScSiameseClu, column_codes, raw_counts
    from ..clustering.recut import batch_agreement, recut

    model = ScSiameseClu.load(known.folder / MODEL)
    if len(model.labels_) != known.adata.n_obs:
        why = f"{MODEL} and {known.file.name} are not of the same cells"
        raise published.no_result(known.folder, why)
    found = recut(model, n_clusters=n_clusters, detail=detail)
    if model.uncorrected_labels_ is not None:
        with opened(known.file) as adata:
            counts = raw_counts(ad.AnnData(adata.layers["counts"][:]))
        found.batch_agreement_ = batch_agreement(found, counts, column_codes(known.adata, BATCH))
    return found


def _steps(known: Known, model: ScSiameseClu) -> None:
    from ..annotation.assemble import assemble
    from ..annotation.celltypes import celltypes
    from ..annotation.export import export
    from ..annotation.markers import markers
    from ..annotation.reference import reference

    name, given = known.group, known.parameters
    marker_sets, labelled = _check_given(known)
    files: dict[str, Any] = {
        "prefix": name,
        "expression": _write_expression(known),
        "clustering": _write_clustering(known, model),
    }
    if labelled:
        reference(**files, labelled=Path("reference.h5ad"), seed=known.seed)
    options: dict[str, Any] = {name: given.get(name) for name in ("min_pct", "logfc_threshold")}
    options["seurat_compat"] = str(given.get("seurat_compat") or 5)
    markers(**files, **options, only_pos=bool(given.get("only_pos")))
    celltypes(
        **files,
        markers_db=marker_sets,
        reference=Path(f"{name}.reference.tsv") if labelled else None,
        seed=known.seed,
    )
    assemble(
        **files,
        umap=_write_umap(known),
        annotation=Path(f"{name}.annotation.tsv"),
        modalities=_modalities(known, files["clustering"]),
    )
    if asked := given.get("export"):
        formats: Any = str(asked).split(",")  # checked when the run began
        export(prefix=name, annotated=Path(f"{name}.h5ad"), formats=formats)
    _evaluate(known, files)


def _evaluate(known: Known, files: dict[str, Any]) -> None:
    from ..evaluation.comparison import compare
    from ..evaluation.scores import score
    from .figures import draw_figures

    name, annotated = known.group, Path(f"{known.group}.h5ad")
    of_group: dict[str, Any] = {"prefix": name, "summary": Path(f"{name}.{SUMMARY}")}
    compare(**files, seed=known.seed)
    score(
        **of_group,
        annotated=annotated,
        comparison=Path(f"{name}.comparison.tsv"),
        top_n_markers=int(known.parameters.get("top_n_markers") or 50),
    )
    draw_figures(
        **of_group,
        adata=annotated,
        markers=Path(f"{name}.markers.tsv"),
        history=Path(f"{name}.{HISTORY}"),
        annotations=_of_other_groups(known),
    )


def _write_expression(known: Known) -> Path:
    """Write the group as it was before the clustering."""
    found, path = known.adata, Path(f"{known.group}.expression.h5ad")
    tables = ad.AnnData(
        obs=found.obs.drop(columns=_MADE_FROM_CLUSTERS.split(), errors="ignore"),
        var=found.var,
        obsm={"X_pca": found.obsm["X_pca"]},
        varm=found.varm,
        uns={key: value for key, value in found.uns.items() if key != RUN},
    )
    with h5py.File(known.file) as source, h5py.File(path, "w") as file:
        _copy_matrices(source, file)
        write_tables(file, tables)
    return path


def _copy_matrices(source: h5py.File, file: h5py.File) -> None:
    """Copy X and the layers; places that both matrices share stay shared."""
    source.copy("layers", file)
    # By cluster, and so of the old cut.
    if CORRECTED in file["layers"]:
        del file["layers"][CORRECTED]
    group = file.create_group("X")
    group.attrs.update(source["X"].attrs)
    for part in ("data", "indices", "indptr"):
        if source[f"X/{part}"] == source[f"layers/counts/{part}"]:
            group[part] = file[f"layers/counts/{part}"]
        else:
            source.copy(f"X/{part}", group)


def _write_clustering(known: Known, model: ScSiameseClu) -> Path:
    name, path = known.group, Path(f"{known.group}.clustering.h5ad")
    adata = ad.AnnData(obs=pd.DataFrame(index=known.adata.obs_names))
    model.annotate(adata)
    adata.obs["consensus"] = known.adata.obs["consensus"]
    write_h5ad(adata, path)
    model.save(f"{name}.{MODEL}")
    shutil.copyfile(known.folder / HISTORY, f"{name}.{HISTORY}")
    write_json(_summary(known, model), f"{name}.{SUMMARY}")
    return path


def _summary(known: Known, model: ScSiameseClu) -> dict[str, Any]:
    from ..clustering.recut import n_moved
    from ..clustering.scsiameseclu import UNMEASURED, clusters_record

    before = read_json(known.folder / SUMMARY)
    same = (known.adata.obs["cluster"].astype(int).to_numpy() == model.labels_).all()
    stability = before["stability_ari"] if same else None
    found: dict[str, Any] = {**clusters_record(model, model.n_clusters, stability)}
    notes = [note for note in found["notes"] if note != UNMEASURED]
    if stability is None:
        notes.append("Stability under resampling is not measured of another cut.")
    notes.append(
        f"The tree of an earlier run was cut anew, from {before['n_clusters']} into "
        f"{model.n_clusters_} clusters; the network was not trained anew. It had moved "
        f"{n_moved(model):,} cells out of the clusters that the consensus gives them in this cut."
    )
    cost = {key: before[key] for key in ("device", "seconds", "peak_memory_mb")}
    return found | {"notes": notes} | cost


def _write_umap(known: Known) -> Path:
    obsm, path = known.adata.obsm, Path(f"{known.group}.umap.tsv")
    table = pd.DataFrame(obsm["X_umap"], columns=["umap_1", "umap_2"])
    if UNCORRECTED_PICTURE in obsm:
        table[list(UNCORRECTED_UMAP)] = obsm[UNCORRECTED_PICTURE]
    table.insert(0, "barcode", known.adata.obs_names)
    write_table(table, path)
    return path


def _check_given(known: Known) -> tuple[Path, bool]:
    """Check the user's marker sets and reference; return the sets, and if there is a reference."""
    from ..annotation.check import check

    sets, labelled = (_found(known, name) for name in ("markers", "reference"))
    if not sets and not (ASSETS / "markers").is_dir():
        raise InputError.of(
            what="The pipeline's marker sets are not beside the installed package.",
            where=ASSETS / "markers",
            remedy="Name them with --markers: the folder assets/markers of a checkout.",
        )
    Path("samples.json").write_text(json.dumps(known.settings["samples"]), encoding="utf-8")
    check(
        samples=Path("samples.json"),
        markers_db=sets,
        labelled=labelled,
        reference_label=known.parameters.get("reference_label"),
    )
    return Path("marker_sets.tsv") if sets else ASSETS / "markers", labelled is not None


def _found(known: Known, name: str) -> Path | None:
    """Return a file or folder that the run was given, or None."""
    if not (given := known.parameters.get(name)):
        return None
    path = Path(given)
    if path.is_absolute() and path.exists():
        return path
    raise InputError.of(
        what=f"The run's --{name} {quoted(given)} is not found.",
        where=known.run / "pipeline_info" / "params.json",
        remedy=f"Name the same file with --{name}.",
    )


def _modalities(known: Known, clustering: Path) -> Path | None:
    """Return the file of what was counted beside genes, if anything was, compared anew."""
    from ..annotation.modalities import modalities

    if not {PROTEIN, HASHTAG, GUIDE} & set(known.adata.obsm):
        return None
    samples = known.of_samples(".filtered.h5ad")
    if len(samples) < len(known.settings["samples"]):
        raise InputError.of(
            what="Proteins, hashtags and guides are read from the samples, and some are missing.",
            where=known.run / "samples",
            remedy="Put back samples/<sample>/<sample>.filtered.h5ad of every sample of the group.",
        )
    modalities(prefix=known.group, samples=samples, clustering=clustering)
    return Path(f"{known.group}.modalities.h5ad")


def _of_other_groups(known: Known) -> list[Path]:
    """Return the cell types of the run's other groups, from which colours follow."""
    Path("annotations").mkdir()
    names = []
    for table in sorted(known.folder.parent.glob("*/annotation.tsv")):
        group = table.parent.name
        if group != known.group and (table.parent / f"{group}.h5ad").is_file():
            names.append(Path("annotations", f"{group}.annotation.tsv"))
            shutil.copyfile(table, names[-1])
    return names


def _publish(group: str, work: Path, made: Path) -> None:
    """Move what users get into a folder, without the group's name, as the pipeline publishes it."""
    made.mkdir()
    shutil.move(work / "figures", made)
    as_they_are = [published.REPORT, *(f"{group}.{name}" for name in NAMED_AFTER_THE_GROUP)]
    named = {name: name for name in as_they_are}
    for own, name in (named | {f"{group}.{name}": name for name in PUBLISHED}).items():
        if (work / own).exists():
            shutil.move(work / own, made / name)
