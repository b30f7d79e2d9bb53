"""One database into another one, of either kind, and the proof that both hold the same."""
