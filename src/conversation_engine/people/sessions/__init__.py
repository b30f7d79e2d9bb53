"""Practice sessions of students with clients."""
