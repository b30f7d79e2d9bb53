"""The JSON form of conversations: what is written, what is read again, and its documented schema."""

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from conversation_engine.domains.conversations.types import (
    BusyPolicy,
    Conversation,
    ConversationStatus,
    JsonObject,
    MessageRole,
    MessageStatus,
)
from conversation_engine.domains.feedback.types import Feedback, Verdict
from conversation_engine.insights.calls.types import RecordedCall
from conversation_engine.people.moves.types import CALL_ELSEWHERE, FORMAT, VERSION, Problem, Report, Said


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("it is before the first day or after the last") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ModelCallEntry(BaseModel):
    """A model call: what it used and cost, not what was asked."""

    id: str
    provider: str
    model: str
    status: str = Field(description="`completed`, `failed` or `cancelled`.")
    attempt: int = Field(description="1 for a turn's first call.")
    latency_ms: int
    first_token_ms: int | None
    input_tokens: int | None = Field(description="Cached ones and cache writes included.")
    output_tokens: int | None = Field(description="Reasoning included.")
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str | None = Field(description="Who counted: `provider`, `estimated` or `caller`.")
    cost: Decimal | None = Field(description="US dollars; null: unknown.")
    finish_reason: str | None
    error_code: str | None
    created_at: Moment

    @staticmethod
    def of(call: RecordedCall) -> "ModelCallEntry":
        """The form of a call."""
        return ModelCallEntry(**asdict(call))


class MessageEntry(BaseModel):
    """A message. Parents come before what follows them."""

    id: str
    parent_id: str | None = Field(None, description="The message that it follows; null for a first one.")
    sequence_number: int = Field(ge=1, description="The order in which messages were said, those of every branch.")
    role: MessageRole
    content: str | JsonObject | list[Any] = Field(description="Text, or a JSON document.")
    status: MessageStatus = MessageStatus.COMPLETE
    token_count: int | None = Field(None, ge=0, lt=2**31)
    cost: Decimal | None = Field(None, ge=0, lt=1_000_000, description="US dollars of the call that made it.")
    is_pinned: bool = False
    metadata: JsonObject = {}
    model_call: ModelCallEntry | None = Field(None, description="The model call that made it.")
    created_at: Moment

    @staticmethod
    def of(said: Said) -> "MessageEntry":
        """The form of a message; what it brought along when it was brought in stands where it was."""
        message, metadata = said.message, dict(said.message.metadata)
        elsewhere = metadata.pop(CALL_ELSEWHERE, None)
        return MessageEntry(
            id=message.id,
            parent_id=message.parent_id,
            sequence_number=message.sequence_number,
            role=message.role,
            content=message.content,
            status=message.status,
            token_count=message.token_count,
            cost=message.cost,
            is_pinned=message.is_pinned,
            metadata=metadata,
            model_call=ModelCallEntry.of(said.call) if said.call else elsewhere,
            created_at=message.created_at,
        )


class FeedbackEntry(BaseModel):
    """What somebody thinks of the conversation, or of one of its messages."""

    author_id: str
    message_id: str | None = Field(None, description="Null: of the conversation as a whole.")
    verdict: Verdict | None = None
    rating: int | None = None
    helped: str = ""
    hindered: str = ""
    tags: list[str] = []
    created_at: Moment
    updated_at: Moment

    @staticmethod
    def of(feedback: Feedback) -> "FeedbackEntry":
        """The form of an opinion."""
        return FeedbackEntry(
            author_id=feedback.author_id,
            message_id=feedback.place.message_id,
            created_at=feedback.created_at,
            updated_at=feedback.updated_at,
            **asdict(feedback.opinion) | {"tags": list(feedback.opinion.tags)},
        )


class ConversationHead(BaseModel):
    """A conversation without what was said in it."""

    id: str
    user_id: str
    conversation_type: str = "general"
    title: str | None = None
    status: ConversationStatus = ConversationStatus.ACTIVE
    system_prompt: str | None = Field(None, description="Null in sessions: a client's instructions are not told.")
    model: str | None = None
    on_busy: BusyPolicy | None = None
    collection_ids: list[str] = Field([], description="Collections of documents; not brought in again.")
    persona_id: str | None = Field(None, description="The client of a session; not brought in again.")
    persona_version: int | None = None
    sampling: JsonObject | None = None
    window: JsonObject | None = None
    metadata: JsonObject = {}
    active_leaf_id: str | None = Field(None, description="The message that the active path ends with.")
    input_tokens: int = Field(0, ge=0, lt=2**62)
    output_tokens: int = Field(0, ge=0, lt=2**62)
    total_cost: Decimal = Field(Decimal(0), ge=0, lt=1_000_000, description="US dollars of all its model calls.")
    created_at: Moment
    updated_at: Moment
    last_message_at: Moment | None = None
    ended_at: Moment | None = None

    @staticmethod
    def head_of(conversation: Conversation) -> "ConversationHead":
        """The form of a conversation."""
        is_session = conversation.persona_id is not None
        sampling = conversation.sampling
        return ConversationHead(
            id=conversation.id,
            user_id=conversation.owner_id,
            conversation_type=conversation.type,
            title=conversation.title,
            status=conversation.status,
            system_prompt=None if is_session else conversation.system_prompt,
            model=conversation.model,
            on_busy=conversation.on_busy,
            collection_ids=list(conversation.collection_ids),
            persona_id=conversation.persona_id,
            persona_version=conversation.persona_version,
            sampling=None if is_session or sampling is None else sampling.as_json(),
            window=conversation.window.as_json(),
            metadata=conversation.metadata,
            active_leaf_id=conversation.active_leaf_id,
            input_tokens=conversation.input_tokens,
            output_tokens=conversation.output_tokens,
            total_cost=conversation.cost,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
            last_message_at=conversation.last_message_at,
            ended_at=conversation.ended_at,
        )


class ConversationEntry(ConversationHead):
    """A conversation with everything that was said in it."""

    messages: list[MessageEntry]
    other_model_calls: list[ModelCallEntry] = Field(
        [],
        description="Calls that made no message (failed ones, titles, summaries); their cost is in the total. Not "
        "brought in again.",
    )
    feedback: list[FeedbackEntry] = Field(
        [], description="What everybody thinks of it; only the owner's own is brought in again."
    )


class ConversationFile(BaseModel):
    """Conversations as a file."""

    format: Literal["conversation-engine"] = FORMAT
    version: Literal[1] = VERSION
    exported_at: Moment
    conversations: list[ConversationEntry]


class ProblemOut(BaseModel):
    """Something in a file that could not be taken as it is."""

    position: str = Field(description="Where it stands in the file; empty: the file as a whole.")
    detail: str
    is_lost: bool = Field(description="Whether it was left out; else it was repaired.")

    @staticmethod
    def of(problem: Problem) -> "ProblemOut":
        """The wire shape."""
        return ProblemOut(position=problem.position, detail=problem.sentence, is_lost=problem.is_lost)


class ImportReportOut(BaseModel):
    """What came of a file."""

    conversations_added: int
    conversations_extended: int = Field(description="They were there, and had new messages in the file.")
    conversations_known: int = Field(description="They were there as they are.")
    messages_added: int
    attachments: int = Field(description="Noted in the metadata of their messages; files are not brought in.")
    tool_messages: int = Field(description="Said by tools or to them; noted in their metadata.")
    opinions_added: int = Field(description="Feedback of one's own.")
    problem_count: int
    lost_count: int = Field(description="Problems that kept something out.")
    problems: list[ProblemOut] = Field(description="The first thousand of them.")

    @staticmethod
    def of(report: Report) -> "ImportReportOut":
        """The wire shape."""
        return ImportReportOut(**asdict(report) | {"problems": [ProblemOut.of(one) for one in report.problems]})
