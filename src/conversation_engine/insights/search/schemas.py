"""Searches on the wire."""

from datetime import datetime

from pydantic import BaseModel, Field

from conversation_engine.insights.search.types import Found, Hit


class Highlight(BaseModel):
    """A place in a snippet, in characters."""

    start: int
    end: int = Field(description="Not included.")


class HitOut(BaseModel):
    """A message that was found. What it says is data: escape it where it is shown."""

    message_id: str
    conversation_id: str
    user_id: str = Field(description="The conversation's owner.")
    title: str | None = Field(description="The conversation's.")
    conversation_type: str
    persona_id: str | None
    sequence_number: int
    role: str
    created_at: datetime
    snippet: str = Field(description="A piece of the message around what was sought.")
    highlights: list[Highlight] = Field(description="What was sought, in the snippet.")

    @staticmethod
    def of(hit: Hit) -> "HitOut":
        """The wire shape."""
        said = hit.said
        return HitOut(
            message_id=said.message_id,
            conversation_id=said.conversation_id,
            user_id=said.owner_id,
            title=said.title,
            conversation_type=said.type,
            persona_id=said.client_id,
            sequence_number=said.sequence_number,
            role=said.role,
            created_at=said.created_at,
            snippet=hit.snippet,
            highlights=[Highlight(start=start, end=end) for start, end in hit.highlights],
        )


class HitPage(BaseModel):
    """Some of what was found."""

    items: list[HitOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    is_complete: bool = Field(
        description="False while there is more new than a search reads itself: the index soon has it."
    )

    @staticmethod
    def of(found: Found) -> "HitPage":
        """The wire shape."""
        return HitPage(items=[HitOut.of(hit) for hit in found.hits], next=found.next, is_complete=found.is_complete)
