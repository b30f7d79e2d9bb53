"""Turns known by their own id, as those know them to whom an answer is a thing of its own."""
