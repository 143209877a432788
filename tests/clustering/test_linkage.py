"""The linkage against scipy's and against the definition of its cost."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scsiameseclu.clustering.linkage import average_linkage, cut
from sklearn.metrics import adjusted_rand_score


def test_linkage_without_size_factor_is_scipys_average_linkage():
    rng = np.random.default_rng(0)
    distances = squareform(rng.random(40 * 39 // 2))
    tree = linkage(squareform(distances), "average")
    merges = average_linkage(1 - distances, np.ones(40), gamma=0.0)
    for k in (1, 2, 7, 20, 40):
        assert adjusted_rand_score(fcluster(tree, k, "maxclust"), cut(merges, k)) == 1


def test_linkage_with_size_factor_takes_the_cheapest_merge_each_time():
    rng = np.random.default_rng(1)
    similarity = 1 - squareform(rng.random(15 * 14 // 2))
    sizes = rng.integers(1, 9, size=15).astype(float)
    s, w, alive, expected = similarity.copy(), sizes.copy(), list(range(15)), []
    while len(alive) > 1:
        pairs = [(i, j) for i in alive for j in alive if i < j]
        a, b = min(pairs, key=lambda p: (1 - s[p]) * (w[p[0]] * w[p[1]] / (w[p[0]] + w[p[1]])) ** 0.2)
        s[a] = s[:, a] = (w[a] * s[a] + w[b] * s[b]) / (w[a] + w[b])
        w[a] += w[b]
        alive.remove(b)
        expected.append((a, b))
    assert [tuple(merge) for merge in average_linkage(similarity, sizes, gamma=0.2)] == expected
