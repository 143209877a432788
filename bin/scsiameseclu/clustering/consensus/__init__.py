"""The training-free consensus: normalizations, neighbor graphs, partitions, one dendrogram and its cuts."""
