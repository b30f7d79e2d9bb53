"""Adding conversations up, in the background."""
