"""Machinery of the HTTP doors."""
