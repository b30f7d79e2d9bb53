"""Calls that are no turn's, while they are being made."""
