"""Titles that nobody has given."""
