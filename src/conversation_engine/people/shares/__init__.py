"""Conversations that others may read by a link, without signing in."""
