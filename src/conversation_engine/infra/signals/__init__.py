"""Hints between processes that something in the store has changed. The store stays the truth."""
