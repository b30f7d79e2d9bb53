"""When messages are put into the index."""

from pydantic import BaseModel, Field


class SearchSettings(BaseModel):
    """What is not in the index yet is found all the same, by reading it."""

    search_index_seconds: float = Field(
        5.0,
        ge=0,
        description="How often new messages are put into the index of `GET /conversations/search`, and deleted ones "
        "wiped from its pages; 0: never by this process.",
    )
