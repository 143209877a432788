"""The training-free consensus: normalizations, neighbors, partitions, dendrogram and cuts."""
