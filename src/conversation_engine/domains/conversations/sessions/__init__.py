"""Conversations with a client, and those that others may read along."""
