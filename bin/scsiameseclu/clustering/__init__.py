"""Clustering: a training-free consensus, refined by the siamese network and optimal transport."""
