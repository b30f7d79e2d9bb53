"""What the local model raises."""


class LocalModelUnavailableError(Exception):
    """The local model cannot answer now. Its message is for a person and says what to do next."""
