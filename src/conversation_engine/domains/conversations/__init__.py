"""Conversations and their messages: who said what, in which order, and what it came to."""
