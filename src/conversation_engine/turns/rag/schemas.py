"""Questions to documents on the wire, as seed clients send them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from conversation_engine.domains.conversations.schemas import RequestBody
from conversation_engine.domains.retrieval.types import RetrievalOptions, Strategy
from conversation_engine.turns.rag.service import Source
from conversation_engine.turns.schemas import TurnErrorOut, UsageOut, usage_of
from conversation_engine.turns.types import TurnDetail, TurnState


class QuestionIn(RequestBody):
    """A question to documents."""

    query: str
    strategy: Strategy = Strategy.RRF_FUSION
    top_k: int = Field(10, ge=1, le=100)
    include_sources: bool = Field(True, description="Whether the passages come with the answer.")
    collection_ids: list[str] | None = Field(
        None, max_length=500, description="Unset: the conversation's collections, or else everything that you may read."
    )
    filters: dict[str, str | int | float | bool] = Field(
        default_factory=dict, max_length=10, description="Documents whose metadata say exactly this."
    )
    model: str | None = Field(None, description="Who answers; unset: the conversation's model, or the default.")

    def options(self) -> RetrievalOptions:
        """How the answer is to be looked up."""
        return RetrievalOptions(
            strategy=self.strategy,
            top_k=self.top_k,
            collection_ids=None if self.collection_ids is None else tuple(self.collection_ids),
            metadata=self.filters,
        )


class CollectionsIn(RequestBody):
    """Where answers are to be looked up."""

    collection_ids: list[str] = Field(max_length=500, description="Empty: nowhere.")


class CollectionsOut(BaseModel):
    """Where answers are looked up."""

    conversation_id: str
    collection_ids: list[str]


class SourceOut(BaseModel):
    """A passage that the answer was given. Its text is data: escape it where it is shown."""

    number: int = Field(description="`[1]` in the answer.")
    is_cited: bool
    id: str
    document_id: str
    document_name: str
    collection_id: str
    ordinal: int
    heading: str
    text: str
    start_offset: int
    end_offset: int
    page: int | None
    score: float

    @staticmethod
    def of(source: Source) -> "SourceOut":
        """The wire shape of a source."""
        chunk = source.chunk
        return SourceOut(
            number=source.number,
            is_cited=source.is_cited,
            id=chunk.id,
            document_id=chunk.document_id,
            document_name=chunk.document_name,
            collection_id=chunk.collection_id,
            ordinal=chunk.ordinal,
            heading=chunk.heading,
            text=chunk.text,
            start_offset=chunk.start_offset,
            end_offset=chunk.end_offset,
            page=chunk.page,
            score=source.score,
        )


class AnswerOut(BaseModel):
    """An answer from documents."""

    answer: str | None = Field(description="Null where the model failed; `error` says why.")
    conversation_id: str
    message_id: str
    turn_id: str
    state: TurnState
    query: str
    resolved_query: str | None = Field(description="What was searched for: the question, understood by itself.")
    strategy: Strategy | None = Field(description="What was done: `lexical` where search by meaning is off.")
    is_answerable: bool | None = Field(description="False when the documents say nothing about it.")
    citations: list[int] = Field(description="Numbers of sources that the answer names.")
    unknown_citations: list[int] = Field(description="Numbers that it names although no such passage was sent.")
    sources: list[SourceOut] | None = Field(description="Null unless `include_sources`.")
    usage: UsageOut | None
    processing_time_ms: float | None
    metadata: dict[str, Any] = Field(description="The reply's.")
    error: TurnErrorOut | None

    @staticmethod
    def of(detail: TurnDetail, *, query: str, sources: Sequence[Source] | None) -> "AnswerOut":
        """The wire shape of a turn's answer."""
        turn, reply = detail.turn, detail.reply
        found: Mapping[str, Any] = {} if reply is None else reply.metadata
        return AnswerOut(
            answer=reply.content if reply is not None and isinstance(reply.content, str) else None,
            conversation_id=turn.conversation_id,
            message_id=turn.reply_message_id,
            turn_id=turn.id,
            state=turn.state,
            query=query,
            resolved_query=found.get("resolved_query"),
            strategy=found.get("strategy"),
            is_answerable=found.get("is_answerable"),
            citations=found.get("citations", []),
            unknown_citations=found.get("unknown_citations", []),
            sources=None if sources is None else [SourceOut.of(source) for source in sources],
            usage=usage_of(detail.attempts),
            processing_time_ms=found.get("processing_time_ms"),
            metadata=dict(found),
            error=None if turn.error is None else TurnErrorOut(code=turn.error.code, detail=turn.error.detail),
        )
