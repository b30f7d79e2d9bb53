"""How model calls go: how long they take, and why they fail."""
