# Rscript read_archive.R FILE: a line for every variable with the names and lengths of its axes, its unit and the sum of its numbers.
suppressMessages(library(ncdf4))
file <- nc_open(commandArgs(trailingOnly = TRUE)[1])
for (v in file$var) {
  axes <- paste(sapply(v$dim, function(d) paste0(d$name, "=", d$len)), collapse = ",")
  value <- ncvar_get(file, v)
  sum <- if (is.character(value)) paste(value, collapse = "|") else format(sum(as.numeric(value), na.rm = TRUE), digits = 17)
  cat(paste(v$name, axes, v$units, gsub("[\n\t]", " ", sum), sep = "\t"), "\n", sep = "")
}
nc_close(file)
