"""A chat for pages of others: one script tag, or a frame."""
