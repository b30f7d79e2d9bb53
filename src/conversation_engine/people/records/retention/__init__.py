"""Conversations that are old go."""
