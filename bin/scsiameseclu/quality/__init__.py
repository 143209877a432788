"""Quality of a sample: which barcodes are healthy single cells, and why others are not."""
