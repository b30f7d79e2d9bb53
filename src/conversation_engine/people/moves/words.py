"""The words that callers choose by."""

from enum import StrEnum


class ExportForm(StrEnum):
    """What conversations are written as."""

    JSON = "json"
    """Everything, to be brought in again."""
    JSONL = "jsonl"
    """For fine-tuning: the active paths as OpenAI's chat form has them."""
    MARKDOWN = "markdown"
    HTML = "html"
    """One page that needs nothing else."""
