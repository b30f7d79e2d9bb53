"""One seam for two databases. All that is known about a dialect is in this folder."""
