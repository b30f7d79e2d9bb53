"""Feedback on the wire."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.feedback.types import Feedback, Opinion, Verdict


class OpinionIn(BaseModel):
    """What you think; everything may be left out, but not everything at once."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict | None = None
    rating: int | None = Field(None, description="1 to 5.")
    helped: str = Field("", description="What helped.")
    hindered: str = Field("", description="What did not.")
    tags: list[str] = Field(default_factory=list)

    def opinion(self) -> Opinion:
        """The same in our words."""
        return Opinion(
            verdict=self.verdict,
            rating=self.rating,
            helped=self.helped,
            hindered=self.hindered,
            tags=tuple(self.tags),
        )


class FeedbackOut(BaseModel):
    """What somebody thinks of a message, or of a conversation as a whole."""

    id: str
    author_id: str
    conversation_id: str
    message_id: str | None = Field(description="Null: the conversation as a whole.")
    verdict: Verdict | None
    rating: int | None
    helped: str
    hindered: str
    tags: list[str]
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(feedback: Feedback) -> "FeedbackOut":
        """The wire shape."""
        opinion = feedback.opinion
        return FeedbackOut(
            id=feedback.id,
            author_id=feedback.author_id,
            conversation_id=feedback.place.conversation_id,
            message_id=feedback.place.message_id,
            verdict=opinion.verdict,
            rating=opinion.rating,
            helped=opinion.helped,
            hindered=opinion.hindered,
            tags=list(opinion.tags),
            created_at=feedback.created_at,
            updated_at=feedback.updated_at,
        )


class FeedbackPage(BaseModel):
    """Some feedback, newest first."""

    items: list[FeedbackOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")
