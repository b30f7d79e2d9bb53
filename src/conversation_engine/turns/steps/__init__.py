"""The steps of a turn. They do not know each other; the pipeline calls them in order."""
