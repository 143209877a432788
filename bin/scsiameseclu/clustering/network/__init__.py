"""The siamese network and its training (Xu et al., IJCAI 2025, arXiv 2505.12626)."""
