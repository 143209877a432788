"""Normalize counts for depth, choose the genes that vary, and compute principal components."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from scipy import sparse

from ..depth import TARGET_SUM, log_normalize
from ..errors import InputError
from ..files import settings, write_failure, write_h5ad, write_json, write_size
from ..steps import Step
from .merge import NOTES, Genes, merge, unlike

FLAVOR = "seurat"
REFUSED = "expression.merge"
"""The step of a failure of one sample; other failures of this stage are of the group."""
_NOTHING_VARIES = 1e-10  # share of the mean square; equal cells leave rounding, about 1e-15


def normalize_group(
    *,
    prefix: str,
    samples: list[Path],
    genes: Genes = "inner",
    min_cells_per_gene: int = 3,
    n_top_genes: int = 2000,
    n_pcs: int = 50,
    seed: int = 0,
) -> None:
    """Join the samples of a group and normalize.

    Writes ``<prefix>.expression.h5ad``, ``<prefix>.size.json``, ``<prefix>.expression.json`` (what was done, and notes)
    and, for each sample whose genes are not those of the others, ``<sample>.expression.merge.failure.json``.

    Parameters
    ----------
    prefix
        Id of the group.
    samples
        Filtered cells of each sample (``<sample>.filtered.h5ad``).
    genes
        ``inner``: genes that all samples have. ``outer``: those that any has.
    min_cells_per_gene
        Genes found in fewer cells are left out.
    n_top_genes
        Number of highly variable genes.
    n_pcs
        Number of principal components.
    seed
        Seed of the start vector of the principal components.
    """
    adatas = [ad.read_h5ad(path) for path in samples]
    refused = unlike(adatas, group=prefix)
    merged = merge([one for one in adatas if _name(one) not in refused], group=prefix, genes=genes)
    write_size(merged, f"{prefix}.size.json")
    expression = normalize(
        merged,
        min_cells_per_gene=min_cells_per_gene,
        n_top_genes=n_top_genes,
        n_pcs=n_pcs,
        random_state=seed,
    )
    write_h5ad(expression, f"{prefix}.expression.h5ad")
    account = json.loads(expression.uns[NOTES])
    left_out = [f"Left out: {problem.what}." for problem in refused.values()]
    write_json({"genes": genes} | account | {"notes": [*left_out, *account["notes"]]}, f"{prefix}.expression.json")
    for name, problem in refused.items():
        print(f"ERROR: {problem}", file=sys.stderr)
        write_failure(name=name, step=REFUSED, problems=[problem])


def _name(sample: ad.AnnData) -> str:
    return str(settings(sample)["sample"])


def normalize(
    adata: ad.AnnData,
    *,
    min_cells_per_gene: int = 3,
    n_top_genes: int = 2000,
    n_pcs: int = 50,
    random_state: int = 0,
) -> ad.AnnData:
    """Return log-normalized expression with variable genes and principal components; `adata` is left as it is.

    Parameters
    ----------
    adata
        Raw counts (cells x genes, integers of any type, sparse or dense) in ``layers['counts']`` or, without it, in
        ``X``.
    min_cells_per_gene
        Genes found in fewer cells are left out.
    n_top_genes
        Number of highly variable genes, by Seurat's normalized dispersion; all genes where there are no more.
    n_pcs
        Number of principal components of the variable genes, at most one less than cells and than genes.
    random_state
        Seed of the start vector of ARPACK in :func:`scanpy.pp.pca`.

    Returns
    -------
    AnnData with ``X`` = log1p(counts per 10,000) (float32 CSR), ``layers['counts']`` the raw counts
    (int32 CSR, int64 where needed), ``obs`` and ``var`` of `adata`, and

    ``var``
        ``highly_variable`` (bool), ``means``, ``dispersions``, ``dispersions_norm``.
    ``obsm['X_pca']``
        Scores (cells x components, float32), the sign of each component such that its largest loading is positive.
    ``varm['PCs']``, ``uns['pca']``
        Loadings (0 for other genes), variances.
    ``uns['hvg']``, ``uns['log1p']``
        As scanpy leaves them.
    ``uns['expression']``
        JSON text: the parameters as used, ``n_genes_in``, ``notes``.

    Raises
    ------
    InputError
        If the counts are negative or fractional, or fewer than two cells or genes are left.
    """
    counts = raw_counts(adata)
    kept = counts.getnnz(axis=0) >= min_cells_per_gene
    if kept.sum() < 2 or adata.n_obs < 2:
        raise _too_small(adata, int(kept.sum()), min_cells_per_gene)
    result = ad.AnnData(
        counts[:, kept].astype(np.float32), obs=adata.obs.copy(), var=adata.var.loc[kept].copy(), uns=adata.uns.copy()
    )
    result.layers["counts"] = counts[:, kept]
    log_normalize(result)
    _choose_genes(result, n_top_genes)
    _principal_components(result, n_pcs, random_state)
    account = json.loads(adata.uns.get(NOTES, '{"notes": []}'))
    result.uns[NOTES] = json.dumps(
        {
            "n_genes_in": adata.n_vars,
            "n_genes": result.n_vars,
            "min_cells_per_gene": min_cells_per_gene,
            "n_top_genes": int(result.var["highly_variable"].sum()),
            "n_pcs": result.obsm["X_pca"].shape[1],
            "target_sum": TARGET_SUM,
            "seed": random_state,
            "notes": account["notes"],
        },
        ensure_ascii=False,
    )
    return result


def raw_counts(adata: ad.AnnData) -> sparse.csr_matrix:
    """Return ``layers['counts']`` or, without it, ``X`` as integer CSR without stored zeros.

    Raises
    ------
    InputError
        If a value is negative, fractional or not finite.
    """
    where = "layers['counts']" if "counts" in adata.layers else "X"
    counts = sparse.csr_matrix(adata.layers.get("counts", adata.X), copy=True)
    counts.eliminate_zeros()
    values = counts.data
    if not np.issubdtype(values.dtype, np.integer) and not np.all(np.isfinite(values) & (values == np.floor(values))):
        raise _no_counts(where, "fractional or not finite")
    if values.size and values.min() < 0:
        raise _no_counts(where, "negative")
    largest = values.max(initial=0)
    return counts.astype(np.int32 if largest <= np.iinfo(np.int32).max else np.int64, copy=False)


def _choose_genes(adata: ad.AnnData, n_top_genes: int) -> None:
    """Set ``var['highly_variable']``: all genes where they are no more than asked for, or where none stands out."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # Genes that do not vary have no dispersion; scanpy then returns all that have one.
        warnings.filterwarnings("ignore", message="`n_top_genes` > number of normalized dispersions")
        try:
            sc.pp.highly_variable_genes(adata, flavor=FLAVOR, n_top_genes=min(n_top_genes, adata.n_vars))
        except IndexError:  # not one gene has a dispersion, from which scanpy cannot choose
            sc.pp.highly_variable_genes(adata, flavor=FLAVOR)
    if adata.n_vars <= n_top_genes or adata.var["highly_variable"].sum() < 2:
        adata.var["highly_variable"] = True


def _principal_components(adata: ad.AnnData, n_pcs: int, random_state: int) -> None:
    # Double precision for the genes chosen: the covariance is a difference of large sums.
    genes = ad.AnnData(adata[:, adata.var["highly_variable"]].X.astype(np.float64))
    n_pcs = min(n_pcs, genes.n_obs - 1, genes.n_vars - 1)
    adata.varm["PCs"] = np.zeros((adata.n_vars, n_pcs))
    if _share_of_variance(genes.X) < _NOTHING_VARIES:
        adata.obsm["X_pca"] = np.zeros((adata.n_obs, n_pcs), dtype=np.float32)
        adata.uns["pca"] = {"variance": np.zeros(n_pcs), "variance_ratio": np.zeros(n_pcs)}
        return
    sc.pp.pca(genes, n_comps=n_pcs, svd_solver="arpack", dtype="float32", random_state=random_state)
    adata.varm["PCs"][adata.var["highly_variable"].to_numpy()] = genes.varm["PCs"]
    adata.obsm["X_pca"] = genes.obsm["X_pca"]
    adata.uns["pca"] = genes.uns["pca"]
    adata.uns["pca"]["params"] |= {"mask_var": "highly_variable", "use_highly_variable": True}


def _share_of_variance(matrix: sparse.csr_matrix) -> float:
    """Return the total variance of the columns as a share of their mean square; 0 where all is 0."""
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    mean_square = float(matrix.multiply(matrix).sum() / matrix.shape[0])
    return (mean_square - float(mean @ mean)) / mean_square if mean_square else 0.0


def _too_small(adata: ad.AnnData, n_genes: int, min_cells_per_gene: int) -> InputError:
    return InputError.of(
        what=f"{adata.n_obs} cells, and {n_genes} genes found in at least {min_cells_per_gene} of them, are too few to "
        "compare cells",
        where="the cells that passed quality control",
        remedy="give more cells: loosen the quality thresholds, lower --min_cells_per_gene, "
        "or put samples into one group",
    )


def _no_counts(where: str, kind: str) -> InputError:
    return InputError.of(
        what=f"{where} holds values that are {kind}, so it is no matrix of raw counts",
        where=where,
        remedy="put the raw counts into X or into layers['counts']",
    )


STEP = Step(normalize_group, isolate=True)
