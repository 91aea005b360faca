"""One file per source, read top to bottom as the life of a drop."""
