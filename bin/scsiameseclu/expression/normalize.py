"""Normalize counts for depth, choose the genes that vary, and compute principal components."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scanpy as sc
from anndata.io import sparse_dataset
from scipy import sparse
from scipy.linalg import eigh
from sklearn.utils.sparsefuncs import incr_mean_variance_axis
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..blocks import MatrixWriter, opened, row_blocks, write_tables
from ..depth import TARGET_SUM, log_normalize
from ..errors import InputError
from ..files import make_plain, settings, write_failure, write_json, write_size
from ..steps import Step
from .merge import NOTES, Genes, Joined, join, unlike

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ..blocks import Matrix

    Moments = tuple[NDArray[np.float64], NDArray[np.float64]]

FLAVOR, N_BINS = "seurat", 20
LARGE = 20_000
"""Cells above which components come from the covariance: what ARPACK reads many times would not fit
into memory."""
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

    Writes ``<prefix>.expression.h5ad``, ``<prefix>.size.json``, ``<prefix>.expression.json`` (what
    was done, and notes) and, for each sample whose genes differ from the others,
    ``<sample>.expression.merge.failure.json``.

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
    asked = _Asked(min_cells_per_gene, n_top_genes, n_pcs, seed)
    with ExitStack() as stack:
        adatas = [stack.enter_context(opened(path)) for path in samples]
        refused = unlike(adatas, group=prefix)
        joined = join(
            [one for one in adatas if _name(one) not in refused], group=prefix, genes=genes
        )
        account = _write_expression(joined, asked, prefix)
    left_out = [f"Left out: {problem.what}." for problem in refused.values()]
    write_json(
        {"genes": genes} | account | {"notes": [*left_out, *account["notes"]]},
        f"{prefix}.expression.json",
    )
    for name, problem in refused.items():
        print(f"ERROR: {problem}", file=sys.stderr)
        write_failure(name=name, step=REFUSED, problems=[problem])


def _write_expression(joined: Joined, asked: _Asked, prefix: str) -> dict[str, Any]:
    """Write the size of the counts and the expression, in blocks; return the account."""
    sizes, given = _sizes(joined), joined.adata
    write_size(
        f"{prefix}.size.json", n_cells=given.n_obs, n_genes=given.n_vars, n_values=sizes.n_stored
    )
    kept = _kept(sizes.n_cells, given.n_obs, asked.min_cells_per_gene)
    with h5py.File(f"{prefix}.expression.h5ad", "w") as file:
        moments = _moments(_written(joined, sizes, kept, file), int(kept.sum()))
        var, uns = given.var.loc[kept].copy(), dict(given.uns)
        expression = ad.AnnData(sparse_dataset(file["X"]), obs=given.obs, var=var, uns=uns)
        _complete(expression, given, moments, asked)
        make_plain(expression)
        write_tables(file, expression)
    return dict(json.loads(expression.uns[NOTES]))


@dataclass(frozen=True)
class _Sizes:
    """What has to be known of counts before they are written.

    ``n_cells`` (genes) in which each gene is found; the ``largest`` count.
    """

    n_cells: NDArray[np.int64]
    largest: int

    @property
    def n_stored(self) -> int:
        """Counts in all."""
        return int(self.n_cells.sum())

    @property
    def dtype(self) -> type[np.signedinteger[Any]]:
        """The type that holds every count."""
        return np.int32 if self.largest <= np.iinfo(np.int32).max else np.int64


def _sizes(joined: Joined) -> _Sizes:
    n_cells, largest = np.zeros(joined.adata.n_vars, dtype=np.int64), 0
    for block in joined.blocks():
        counts = checked_counts(block, "X")
        n_cells += counts.getnnz(axis=0)
        largest = max(largest, int(counts.data.max(initial=0)))
    return _Sizes(n_cells, largest)


def _written(
    joined: Joined, sizes: _Sizes, kept: NDArray[np.bool_], file: h5py.File
) -> Iterator[sparse.csr_matrix]:
    """Write counts and normalized expression of kept genes, and yield the latter in blocks."""
    n_genes, n_values = int(kept.sum()), int(sizes.n_cells[kept].sum())
    counts = MatrixWriter(
        file, "layers/counts", n_genes=n_genes, n_values=n_values, dtype=sizes.dtype
    )
    logarithms = MatrixWriter(
        file, "X", n_genes=n_genes, n_values=n_values, dtype=np.float32, like=counts
    )
    for block in joined.blocks():
        some = checked_counts(block, "X")[:, kept]
        counts.append(some)
        normalized = _log_normalized(some)
        logarithms.append(normalized)
        yield normalized


def _log_normalized(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    adata = ad.AnnData(counts.astype(np.float32))
    log_normalize(adata)
    return adata.X


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
    """Return log-normalized expression with variable genes and components; `adata` is unchanged.

    Parameters
    ----------
    adata
        Raw counts (cells x genes, integers of any type, sparse or dense) in ``layers['counts']``,
        else in ``X``.
    min_cells_per_gene
        Genes found in fewer cells are left out.
    n_top_genes, n_pcs
        Number of highly variable genes, by Seurat's normalized dispersion, and of their principal
        components; at most all genes, and one less than cells and than genes.
    random_state
        Seed of the start vector of ARPACK in :func:`scanpy.pp.pca`, which finds the components of
        up to 20,000 cells.

    Returns
    -------
    AnnData with ``X`` = log1p(counts per 10,000) (float32 CSR), ``layers['counts']`` the raw counts
    (int32 CSR, int64 where needed), ``obs`` and ``var`` of `adata`, and, as scanpy has them,
    ``var['highly_variable']``, ``means``, ``dispersions``, ``dispersions_norm``; ``obsm['X_pca']``
    (float32; the largest loading of a component is positive), ``varm['PCs']`` (0 for other genes),
    ``uns`` ``pca hvg log1p``. ``uns['expression']``: JSON text with the parameters as used,
    ``n_genes_in`` and ``notes``.

    Raises
    ------
    InputError
        If the counts are negative or fractional, or fewer than two cells or genes are left.
    """
    counts = raw_counts(adata)
    kept = _kept(counts.getnnz(axis=0), adata.n_obs, min_cells_per_gene)
    counts = counts[:, kept]
    obs, var, uns = adata.obs.copy(), adata.var.loc[kept].copy(), adata.uns.copy()
    result = ad.AnnData(counts.astype(np.float32), obs=obs, var=var, uns=uns)
    result.layers["counts"] = counts
    log_normalize(result)
    moments = _moments((rows for _, rows in row_blocks(result.X)), result.n_vars)
    _complete(result, adata, moments, _Asked(min_cells_per_gene, n_top_genes, n_pcs, random_state))
    return result


def _kept(n_cells: NDArray[np.int64], n_obs: int, min_cells_per_gene: int) -> NDArray[np.bool_]:
    """Return the genes found in enough cells, by the cells in which each is."""
    kept = n_cells >= min_cells_per_gene
    if kept.sum() < 2 or n_obs < 2:
        raise _too_small(n_obs, int(kept.sum()), min_cells_per_gene)
    return kept


@dataclass(frozen=True)
class _Asked:
    """Options of a normalization; see :func:`normalize`."""

    min_cells_per_gene: int
    n_top_genes: int
    n_pcs: int
    seed: int


def _complete(result: ad.AnnData, given: ad.AnnData, moments: Moments, asked: _Asked) -> None:
    """Add variable genes, components and the account to expression in memory or on disk."""
    result.uns["log1p"] = {}
    _choose_genes(result, moments, asked.n_top_genes)
    _principal_components(result, asked.n_pcs, asked.seed)
    account = json.loads(given.uns.get(NOTES, '{"notes": []}'))
    result.uns[NOTES] = json.dumps(
        {
            "n_genes_in": given.n_vars,
            "n_genes": result.n_vars,
            "min_cells_per_gene": asked.min_cells_per_gene,
            "n_top_genes": int(result.var["highly_variable"].sum()),
            "n_pcs": result.obsm["X_pca"].shape[1],
            "target_sum": TARGET_SUM,
            "seed": asked.seed,
            "notes": account["notes"],
        },
        ensure_ascii=False,
    )


def raw_counts(adata: ad.AnnData) -> sparse.csr_matrix:
    """Return ``layers['counts']`` or, without it, ``X`` as integer CSR without stored zeros.

    Raises
    ------
    InputError
        If a value is negative, fractional or not finite.
    """
    where = "layers['counts']" if "counts" in adata.layers else "X"
    return checked_counts(adata.layers.get("counts", adata.X), where)


def checked_counts(matrix: Matrix, where: str) -> sparse.csr_matrix:
    """Return counts as integer CSR without stored zeros; `where` is their place, for messages."""
    on_disk = hasattr(matrix, "to_memory")
    counts = sparse.csr_matrix(matrix.to_memory() if on_disk else matrix, copy=not on_disk)
    counts.eliminate_zeros()
    values = counts.data
    if not np.issubdtype(values.dtype, np.integer) and not np.all(
        np.isfinite(values) & (values == np.floor(values))
    ):
        raise _no_counts(where, "fractional or not finite")
    if values.size and values.min() < 0:
        raise _no_counts(where, "negative")
    largest = values.max(initial=0)
    return counts.astype(np.int32 if largest <= np.iinfo(np.int32).max else np.int64, copy=False)


def _choose_genes(adata: ad.AnnData, moments: Moments, n_top_genes: int) -> None:
    """Set ``var['highly_variable']``.

    All genes are, if there are no more than requested, or if none stands out.
    """
    found = dispersions(*moments).set_index(adata.var_names)
    normalized = found["dispersions_norm"].to_numpy()
    known = np.sort(normalized[~np.isnan(normalized)])[::-1]
    chosen = normalized >= (known[:n_top_genes][-1] if len(known) else np.inf)
    everything = adata.n_vars <= n_top_genes or chosen.sum() < 2
    adata.var["highly_variable"] = chosen | everything
    for column in found:
        adata.var[column] = found[column]
    adata.uns["hvg"] = {"flavor": FLAVOR}


def _moments(blocks: Iterable[sparse.csr_matrix], n_genes: int) -> Moments:
    """Return mean and variance of the genes of log-normalized expression, before the logarithm."""
    mean, variance, n = np.zeros((3, n_genes))
    for rows in blocks:
        values = np.expm1(rows).astype(np.float64)
        mean, variance, n = incr_mean_variance_axis(
            values, axis=0, last_mean=mean, last_var=variance, last_n=n
        )
    return mean, variance * n / (n - 1)


def dispersions(mean: NDArray[np.float64], variance: NDArray[np.float64]) -> pd.DataFrame:
    """Return genes' ``means``, ``dispersions``, ``dispersions_norm`` as scanpy's ``seurat``.

    That is the logarithm of variance over mean, as z-scores among genes of alike mean (Satija et
    al. 2015). scanpy's own function takes the whole matrix.

    Parameters
    ----------
    mean, variance
        Of the normalized counts of each gene, float64.
    """
    mean = np.where(mean == 0, 1e-12, mean)
    with np.errstate(divide="ignore"):
        dispersion = np.log(np.where(variance == 0, np.nan, variance / mean))
    table = pd.DataFrame({"means": np.log1p(mean), "dispersions": dispersion})
    grouped = table["dispersions"].groupby(pd.cut(table["means"], bins=N_BINS), observed=True)
    average, deviation = grouped.transform("mean"), grouped.transform("std")
    # A gene alone in its bin has no deviation: as in Seurat its z-score is 1.
    alone = deviation.isna()
    z_scores = (table["dispersions"] - average.mask(alone, 0.0)) / deviation.mask(alone, average)
    return table.assign(dispersions_norm=z_scores.astype(np.float32))


def _principal_components(adata: ad.AnnData, n_pcs: int, random_state: int) -> None:
    chosen = adata.var["highly_variable"].to_numpy()
    n_pcs = min(n_pcs, adata.n_obs - 1, int(chosen.sum()) - 1)
    adata.varm["PCs"] = np.zeros((adata.n_vars, n_pcs))
    found = (_by_arpack if adata.n_obs <= LARGE else _by_covariance)(
        adata.X, chosen, n_pcs, random_state
    )
    if found is None:
        adata.obsm["X_pca"] = np.zeros((adata.n_obs, n_pcs), dtype=np.float32)
        adata.uns["pca"] = {"variance": np.zeros(n_pcs), "variance_ratio": np.zeros(n_pcs)}
        return
    adata.varm["PCs"][chosen] = found.loadings
    adata.obsm["X_pca"] = found.scores
    adata.uns["pca"] = {
        "variance": found.variance,
        "variance_ratio": found.variance / found.total,
        "params": {"zero_center": True, "mask_var": "highly_variable", "use_highly_variable": True},
    }


@dataclass(frozen=True)
class _Components:
    """Principal components of the cells.

    ``scores`` (cells x components, float32), ``loadings`` (genes x components), ``variance`` of
    each and ``total``.
    """

    scores: NDArray[np.float32]
    loadings: NDArray[np.float64]
    variance: NDArray[np.float64]
    total: float


def _by_arpack(
    X: Matrix, chosen: NDArray[np.bool_], n_pcs: int, random_state: int
) -> _Components | None:
    """Return the components of the chosen genes; None if nothing varies."""
    # Double precision for the genes chosen: the covariance is a difference of large sums.
    genes = ad.AnnData(
        sparse.vstack(
            [rows[:, chosen].astype(np.float64) for _, rows in row_blocks(X)], format="csr"
        )
    )
    if _share_of_variance(genes.X) < _NOTHING_VARIES:
        return None
    sc.pp.pca(genes, n_comps=n_pcs, svd_solver="arpack", dtype="float32", random_state=random_state)
    variance, share = genes.uns["pca"]["variance"], genes.uns["pca"]["variance_ratio"]
    return _Components(genes.obsm["X_pca"], genes.varm["PCs"], variance, variance[0] / share[0])


def _by_covariance(
    X: Matrix, chosen: NDArray[np.bool_], n_pcs: int, _random_state: int
) -> _Components | None:
    """Return the same from the genes' covariance, which is summed up some cells at a time."""

    def blocks() -> Iterator[tuple[slice, NDArray[np.float64]]]:
        for cells, rows in row_blocks(X):
            yield cells, rows[:, chosen].toarray().astype(np.float64)

    n_cells, n_genes = X.shape[0], int(chosen.sum())
    total, products = np.zeros(n_genes), np.zeros((n_genes, n_genes))
    # Sums that threads share are rounded by their number.
    with threadpool_limits(1):
        for _, block in blocks():
            total += block.sum(axis=0)
            products += block.T @ block
        mean = total / n_cells
        covariance = (products - n_cells * np.outer(mean, mean)) / (n_cells - 1)
        variance, loadings = eigh(covariance, subset_by_index=(n_genes - n_pcs, n_genes - 1))
        variance, loadings = variance[::-1], loadings[:, ::-1]
        loadings *= np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(n_pcs)])
        scores = np.empty((X.shape[0], n_pcs), dtype=np.float32)
        for cells, block in blocks():
            scores[cells] = (block - mean) @ loadings
    if variance[0] <= _NOTHING_VARIES * np.trace(products) / n_cells:
        return None
    return _Components(scores, loadings, variance, float(np.trace(covariance)))


def _share_of_variance(matrix: sparse.csr_matrix) -> float:
    """Return the columns' total variance as a share of their mean square; 0 if all is 0."""
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    mean_square = float(matrix.multiply(matrix).sum() / matrix.shape[0])
    return (mean_square - float(mean @ mean)) / mean_square if mean_square else 0.0


def _too_small(n_cells: int, n_genes: int, min_cells_per_gene: int) -> InputError:
    return InputError.of(
        what=f"{n_cells} cells, and {n_genes} genes found in at least {min_cells_per_gene} of "
        "them, are too few to compare cells",
        where="the cells that passed quality control",
        remedy="give more cells: loosen the quality thresholds, lower --min_cells_per_gene, "
        "or put samples into one group",
    )


def _no_counts(where: str, kind: str) -> InputError:
    return InputError.of(
        what=f"{where} holds values that are {kind}, so it is not a matrix of raw counts",
        where=where,
        remedy="put the raw counts into X or into layers['counts']",
    )


STEP = Step(normalize_group, isolate=True)
