"""Prompt templates: named, versioned, with typed variables."""
