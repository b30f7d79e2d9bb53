"""Parts of the page with a conversation."""
