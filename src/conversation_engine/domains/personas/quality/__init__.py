"""Does a client stay who it is? Scripted conversations, verdicts and a page to read."""
