"""Quality of a sample: which barcodes are healthy single cells, and a ledger that says why the others are not."""
