"""From a stored file to passages that can be found: durable, resumable, in the background."""
