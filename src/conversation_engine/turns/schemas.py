"""Turns on the wire: JSON and server-sent events."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from conversation_engine.domains.context.questions.topics import Topics
from conversation_engine.domains.conversations.schemas import (
    ContentField,
    JsonObject,
    MessageOut,
    RequestBody,
    WindowOptionsIn,
)
from conversation_engine.domains.conversations.types import BusyPolicy
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.domains.llm.types import Attempt, Sampling, UsageSource
from conversation_engine.infra.web.event_stream import HEARTBEAT, frame
from conversation_engine.turns.types import (
    AskedQuestion,
    CallBegun,
    CallDelta,
    Heartbeat,
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
    TurnState,
)


class ToolIn(RequestBody):
    """A function that the model may call: the call comes with its reply, and its result with the next turn."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: JsonObject | None = Field(None, description="A JSON schema; unset: it takes nothing.")
    strict: bool | None = None


class AnswerIn(RequestBody):
    """How something is to be answered."""

    model: str | None = Field(None, description="Unset: the conversation's model, or the server's default.")
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, description="Longest reply, in tokens.")
    stop: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list, max_length=4)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    on_busy: BusyPolicy | None = Field(
        None,
        description="If the conversation is still answering: `reject` this turn (409), `queue` it, or `interrupt` "
        "the running one. Unset: as the server is set up.",
    )
    window: WindowOptionsIn | None = Field(None, description="For this turn only. Unset: as the conversation says.")
    tools: list[ToolIn] = Field(
        default_factory=list,
        max_length=128,
        description="Functions that the model may call. Its message's content is then "
        '`{"parts": [{"type": "tool_call", "id": …, "name": …, "arguments": …}]}`; say what came of it as '
        '`{"parts": [{"type": "tool_result", "call_id": …, "output": …}]}`.',
    )
    tool_choice: Literal["auto", "none", "required"] | None = Field(None, description="Only with `tools`.")

    def sampling(self) -> Sampling:
        """How the reply is to be drawn."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            reply_limit_tokens=self.max_tokens,
            stop=tuple(self.stop),
            seed=self.seed,
            tools=self._toolbox(),
        )

    def _toolbox(self) -> Toolbox | None:
        functions = tuple(FunctionTool(**one.model_dump()) for one in self.tools)
        return Toolbox(functions=functions, choice=self.tool_choice) if functions else None


class TurnIn(AnswerIn):
    """Something to say, and how it is to be answered."""

    content: ContentField
    message_metadata: JsonObject | None = None


class QueryIn(AnswerIn):
    """A question, in a session or as the first of one."""

    query: str = Field(examples=["How does that compare to last year?"])
    session_id: str | None = Field(None, description="The conversation to go on with; unset: a new one is started.")
    conversation_type: str = Field("general", description="Of the conversation that is started.")
    system_prompt: str | None = Field(None, description="Of the conversation that is started.")
    message_metadata: JsonObject | None = None


class FollowUpOut(BaseModel):
    """Whether a question leans on what was said before it."""

    is_follow_up: bool
    confidence: float = Field(description="From 0.5, as good as a guess, to 1.")
    leans_on: int | None = Field(description="Sequence number of the message that it leans on most.")
    previous_topic: str | None = Field(description="What was talked about before it.")
    decided_by: str = Field(description="`rules`, or `model`.")


class UnderstoodOut(BaseModel):
    """What a question means in its session."""

    session_id: str
    query: str = Field(description="In your own words, as it is stored and shown.")
    enhanced_query: str = Field(description="The same as a question that can be understood by itself.")
    follow_up: FollowUpOut
    intent: str | None = Field(description="One of the server's labels (`CE_INTENTS`).")

    @staticmethod
    def of(asked: AskedQuestion) -> "UnderstoodOut":
        """The wire shape of a question and its meaning."""
        return UnderstoodOut(**understood_fields(asked))


class QueryOut(UnderstoodOut):
    """A question and its answer."""

    answer: str | JsonObject | list[Any] | None = Field(description="The reply; null when nothing was said.")
    turn: "TurnOut"


class SegmentOut(BaseModel):
    """A stretch of a conversation about one thing."""

    topic: str
    first: int = Field(description="Sequence number of its first message.")
    last: int


class TopicsOut(BaseModel):
    """What a conversation is about."""

    topic: str | None = Field(description="Of its longest stretch; null where nothing was said.")
    segments: list[SegmentOut] = Field(description="Oldest first, of the newest 200 messages.")

    @staticmethod
    def of(topics: Topics) -> "TopicsOut":
        """The wire shape of topics."""
        segments = [SegmentOut(topic=one.topic, first=one.first, last=one.last) for one in topics.segments]
        return TopicsOut(topic=topics.topic, segments=segments)


class RemovedOut(BaseModel):
    """What was deleted."""

    removed: int = Field(description="Messages: the one named and all that followed it, on every branch.")


class UsageOut(BaseModel):
    """Tokens of model calls."""

    input_tokens: int = Field(description="Everything the model read, cached tokens and cache writes included.")
    cached_tokens: int = Field(description="The part of `input_tokens` that came from the provider's prompt cache.")
    cache_write_tokens: int = Field(description="The part of `input_tokens` that was written to the prompt cache.")
    output_tokens: int = Field(description="Everything the model wrote, reasoning included.")
    reasoning_tokens: int = Field(description="The part of `output_tokens` that was reasoning.")
    source: UsageSource = Field(description="`estimated`: the provider did not say for at least one call.")


class TurnErrorOut(BaseModel):
    """Why a turn did not complete."""

    code: str
    detail: str


class AttemptOut(BaseModel):
    """One model call."""

    id: str
    attempt: int
    provider: str
    model: str
    status: str
    latency_ms: int
    first_token_ms: int | None
    usage: UsageOut | None
    cost: Decimal | None = Field(description="US dollars, exact; null where the price or the usage is unknown.")
    finish_reason: str | None
    error_code: str | None


class TurnOut(BaseModel):
    """One question and its answer."""

    id: str
    conversation_id: str
    state: TurnState
    attempt: int = Field(description="2 when the reply was begun anew after its first process had died.")
    model: str
    user_message_id: str | None = Field(description="The message that is answered.")
    reply_message_id: str
    message: MessageOut | None = Field(description="The reply; null while the turn runs and when nothing was said.")
    usage: UsageOut | None
    cost: Decimal | None = Field(description="US dollars of all model calls; null where a price is unknown.")
    attempts: list[AttemptOut]
    error: TurnErrorOut | None
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(detail: TurnDetail) -> "TurnOut":
        """The wire shape of a turn and what came of it."""
        turn = detail.turn
        return TurnOut(
            id=turn.id,
            conversation_id=turn.conversation_id,
            state=turn.state,
            attempt=turn.attempt,
            model=turn.model,
            user_message_id=turn.user_message_id,
            reply_message_id=turn.reply_message_id,
            message=None if detail.reply is None else MessageOut.of(detail.reply),
            usage=usage_of(detail.attempts),
            cost=_cost(detail.attempts),
            attempts=[_attempt(attempt) for attempt in detail.attempts],
            error=_error(turn),
            created_at=turn.created_at,
            finished_at=turn.finished_at,
        )


class TurnSummary(BaseModel):
    """A turn without what came of it."""

    id: str
    state: TurnState
    attempt: int
    model: str
    user_message_id: str | None = Field(description="The message that is answered.")
    reply_message_id: str
    error: TurnErrorOut | None
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(turn: Turn) -> "TurnSummary":
        """The wire shape of a turn."""
        return TurnSummary(
            id=turn.id,
            state=turn.state,
            attempt=turn.attempt,
            model=turn.model,
            user_message_id=turn.user_message_id,
            reply_message_id=turn.reply_message_id,
            error=_error(turn),
            created_at=turn.created_at,
            finished_at=turn.finished_at,
        )


class TurnPage(BaseModel):
    """Some turns, newest first."""

    items: list[TurnSummary]
    next: str | None
    previous: str | None


class WindowOut(BaseModel):
    """What the model would be shown."""

    messages: list[dict[str, str]]
    manifest: dict[str, Any]


def frame_of(event: TurnEvent) -> bytes:
    """The server-sent event of a turn's event. The id of every event is an offset to resume from."""
    match event:
        case ReplyDelta(offset=offset, text=text):
            data = f'{{"offset":{offset},"text":{json.dumps(text, ensure_ascii=False)}}}'
            return frame(event="reply.delta", data=data.encode(), event_id=offset)
        case CallBegun(offset=offset, index=index, call_id=call_id, name=name):
            begun = json.dumps({"offset": offset, "index": index, "call_id": call_id, "name": name}, ensure_ascii=False)
            return frame(event="reply.tool_call", data=begun.encode(), event_id=offset)
        case CallDelta(offset=offset, index=index, text=text):
            more = json.dumps({"offset": offset, "index": index, "text": text}, ensure_ascii=False)
            return frame(event="reply.tool_call_delta", data=more.encode(), event_id=offset)
        case Heartbeat():
            return HEARTBEAT
        case TurnRestarted(turn=turn):
            return frame(event="turn.restarted", data=_started(turn), event_id=0)
        case TurnStarted(turn=turn, offset=offset):
            return frame(event="turn.started", data=_started(turn), event_id=offset)
        case TurnEnded(detail=detail, offset=offset):
            data_bytes = TurnOut.of(detail).model_dump_json().encode()
            return frame(event=f"turn.{detail.turn.state.value}", data=data_bytes, event_id=offset)


def understood_fields(asked: AskedQuestion) -> JsonObject:
    """The fields of `UnderstoodOut`."""
    understanding = asked.understanding
    follow_up = understanding.follow_up
    return {
        "session_id": asked.turn.conversation_id,
        "query": understanding.query,
        "enhanced_query": understanding.standalone,
        "intent": understanding.intent,
        "follow_up": FollowUpOut(
            is_follow_up=follow_up.is_follow_up,
            confidence=follow_up.confidence,
            leans_on=follow_up.leans_on,
            previous_topic=follow_up.previous_topic,
            decided_by=follow_up.decided_by,
        ),
    }


def query_answered(asked: AskedQuestion, detail: TurnDetail) -> QueryOut:
    """The wire shape of a question that was answered."""
    reply = None if detail.reply is None else detail.reply.content
    return QueryOut(**understood_fields(asked), answer=reply, turn=TurnOut.of(detail))


def query_frame(asked: AskedQuestion) -> bytes:
    """The first event of a question's stream. It has no id: there is nothing to resume from yet."""
    return frame(event="query.understood", data=UnderstoodOut.of(asked).model_dump_json().encode(), event_id=None)


def _error(turn: Turn) -> TurnErrorOut | None:
    return None if turn.error is None else TurnErrorOut(code=turn.error.code, detail=turn.error.detail)


def _started(turn: Turn) -> bytes:
    started = TurnDetail(turn=turn, reply=None, attempts=())
    return TurnOut.of(started).model_dump_json().encode()


def usage_of(attempts: Sequence[Attempt]) -> UsageOut | None:
    used = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if not used:
        return None
    is_estimated = any(usage.source is UsageSource.ESTIMATED for usage in used)
    return UsageOut(
        input_tokens=sum(usage.input_tokens for usage in used),
        cached_tokens=sum(usage.cached_tokens for usage in used),
        cache_write_tokens=sum(usage.cache_write_tokens for usage in used),
        output_tokens=sum(usage.output_tokens for usage in used),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in used),
        source=UsageSource.ESTIMATED if is_estimated else UsageSource.PROVIDER,
    )


def _cost(attempts: Sequence[Attempt]) -> Decimal | None:
    costs = [attempt.cost for attempt in attempts if attempt.usage is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


def _attempt(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        id=attempt.id,
        attempt=attempt.attempt,
        provider=attempt.provider,
        model=attempt.model,
        status=attempt.status.value,
        latency_ms=attempt.latency_ms,
        first_token_ms=attempt.first_token_ms,
        usage=usage_of([attempt]),
        cost=attempt.cost,
        finish_reason=attempt.finish_reason,
        error_code=attempt.error_code,
    )
