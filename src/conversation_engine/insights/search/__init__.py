"""Finding what was said, by its words."""
