"""Keeping the index, in the background."""
