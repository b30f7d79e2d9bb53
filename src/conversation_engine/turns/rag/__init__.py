"""Questions to documents: a turn whose answer is looked up first."""
