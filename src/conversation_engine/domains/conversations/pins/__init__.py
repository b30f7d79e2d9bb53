"""Messages that stay in every window of their path, however old they get."""
