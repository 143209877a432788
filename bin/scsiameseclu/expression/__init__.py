"""Expression of a group: joined samples, normalized, variable genes and components."""
