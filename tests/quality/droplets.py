"""Simulated droplets of an unfiltered matrix: empty ones that hold ambient RNA, and cells."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def droplets(
    n_cells: int,
    n_empty: int,
    depth: tuple[int, int],
    *,
    size: int = 2000,
    n_genes: int = 1000,
    seed: int = 0,
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts (barcodes x genes) and which barcodes are cells; those come last.

    Parameters
    ----------
    n_cells
        Cells, of four types, which hold the counts of an empty droplet besides their own.
    n_empty
        Empty droplets; their profile is the mean of the types.
    depth
        Fewest and most counts expected in an empty droplet.
    size
        Median of the counts of a cell's own.
    n_genes
        Genes.
    seed
        Seed.
    """
    rng = np.random.default_rng(seed)
    types = rng.dirichlet(np.full(n_genes, 0.2), 4)
    ambient = types.mean(axis=0)
    counts = []
    for start in range(0, n_empty, 5000):
        depths = rng.uniform(*depth, (min(5000, n_empty - start), 1))
        counts.append(sparse.csr_matrix(rng.poisson(depths * ambient)))
    own = rng.lognormal(np.log(size), 0.4, (n_cells, 1)) * types[rng.integers(4, size=n_cells)]
    counts.append(sparse.csr_matrix(rng.poisson(own + np.mean(depth) * ambient)))
    matrix = sparse.vstack(counts).tocsr().astype(np.int32)
    return matrix, np.arange(matrix.shape[0]) >= n_empty
