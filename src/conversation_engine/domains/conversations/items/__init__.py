"""Messages as a plain list, as those see them who know no tree."""
