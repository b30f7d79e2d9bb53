"""Machinery that knows libraries, not the product."""
