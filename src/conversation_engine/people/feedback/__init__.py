"""Feedback on what one may read."""
