"""Collections that clients know."""
