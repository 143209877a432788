# FindAllMarkers of the real Seurat on a folder with matrix.mtx (genes x cells, raw counts) and
# clusters.tsv (one a line). Writes markers.tsv, with genes by number, and seconds.txt, for the test
# alone, into the folder.
# Rscript find_all_markers.R FOLDER
suppressMessages(library(Seurat))
folder <- commandArgs(trailingOnly = TRUE)[1]
counts <- as(Matrix::readMM(file.path(folder, "matrix.mtx")), "CsparseMatrix")
rownames(counts) <- sprintf("gene%d", seq_len(nrow(counts)))
colnames(counts) <- sprintf("cell%d", seq_len(ncol(counts)))
object <- NormalizeData(CreateSeuratObject(counts), verbose = FALSE)
clusters <- readLines(file.path(folder, "clusters.tsv"))
Idents(object) <- factor(clusters, levels = unique(clusters))

seconds <- system.time(
  table <- suppressWarnings(FindAllMarkers(object, verbose = FALSE))
)["elapsed"]

numbers <- vapply(table, is.double, logical(1))
table[numbers] <- lapply(table[numbers], function(column) sprintf("%.17g", column))
table <- table[, c("cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj")]
write.table(table, file.path(folder, "markers.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)
writeLines(sprintf("%.3f", seconds), file.path(folder, "seconds.txt"))
writeLines(as.character(packageVersion("Seurat")), file.path(folder, "version.txt"))
