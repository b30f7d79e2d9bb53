"""Requests that happen once however often they arrive."""
