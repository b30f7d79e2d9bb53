"""Conversations that move: read as a whole to be taken along, and put back."""
