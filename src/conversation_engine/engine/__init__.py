"""Wiring: the only place that knows everything and chooses implementations."""
