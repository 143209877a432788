"""Expression of a group: its samples joined, normalized, with variable genes and principal components."""
