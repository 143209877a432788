# Writes the golden tables of tests/annotation/test_markers_seurat.py with the real Seurat (4.3.0).
# Run in this folder: Rscript make_golden.R
suppressMessages(library(Seurat))
set.seed(1)

# Counts: 400 genes x 180 cells in clusters of 90, 60, 28 and 2 cells; 30 genes higher in each of the larger clusters;
# genes found nowhere, everywhere and in one cell; cells of unequal depth.
sizes <- c(90, 60, 28, 2)
clusters <- factor(rep(seq_along(sizes) - 1, sizes))
rate <- exp(rnorm(400, -1.5, 1.6))
mean <- outer(rate, exp(rnorm(sum(sizes), 0, 0.4)))
for (k in 1:3) {
  genes <- (k - 1) * 30 + 1:30
  mean[genes, clusters == k - 1] <- mean[genes, clusters == k - 1] * rep(exp(seq(0, 3, length.out = 30)), sizes[k])
}
counts <- matrix(rnbinom(length(mean), mu = mean, size = 2), nrow(mean))
counts[398, ] <- 0
counts[399, ] <- 5
counts[400, ] <- c(1, rep(0, ncol(counts) - 1))
dimnames(counts) <- list(sprintf("gene%d", seq_len(nrow(counts))), sprintf("cell%d", seq_len(ncol(counts))))

object <- CreateSeuratObject(as(counts, "CsparseMatrix"))
object <- NormalizeData(object, verbose = FALSE)
Idents(object) <- clusters

write_exactly <- function(table, path) {
  for (column in names(table)) if (is.double(table[[column]])) table[[column]] <- sprintf("%.17g", table[[column]])
  write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE)
}
markers <- function(...) {
  table <- suppressWarnings(FindAllMarkers(object, verbose = FALSE, ...))
  table[, c("cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj")]
}
# Version 5 changed the fold change and the thresholds only; 4.3.0 takes both as arguments.
version_5_mean <- function(x) log((rowSums(expm1(x)) + 1) / ncol(x), base = 2)

write_exactly(markers(), "markers_v4.tsv")
write_exactly(markers(only.pos = TRUE), "markers_v4_only_pos.tsv")
write_exactly(markers(logfc.threshold = 0.1, min.pct = 0.01, mean.fxn = version_5_mean), "markers_v5.tsv")
write.table(data.frame(cell = colnames(counts), cluster = clusters), "clusters.tsv",
            sep = "\t", quote = FALSE, row.names = FALSE)
out <- gzfile("counts.tsv.gz", "w")
write.table(data.frame(gene = rownames(counts), counts), out, sep = "\t", quote = FALSE, row.names = FALSE)
close(out)
writeLines(c(R.version.string, paste("Seurat", packageVersion("Seurat")),
             paste("limma installed:", requireNamespace("limma", quietly = TRUE))), "versions.txt")
