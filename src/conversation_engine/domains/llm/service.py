"""One model call, watched, timed, counted and priced."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from conversation_engine.domains.llm.catalog import ModelCatalog
from conversation_engine.domains.llm.errors import ModelError, ModelTimeoutError
from conversation_engine.domains.llm.plausible import plausible
from conversation_engine.domains.llm.pricing import cost_of
from conversation_engine.domains.llm.repo import LlmRequestRepo
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.tokens import count_tokens, tokens_for
from conversation_engine.domains.llm.types import (
    Attempt,
    AttemptStatus,
    LLMMessage,
    ModelCard,
    ModelRequest,
    ReplyFinished,
    Sampling,
    TokenUsage,
    UsageSource,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError, InternalError
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId
from conversation_engine.kernel.text import storable

CAUSE_LIMIT: Final = 2000
"""Code points of what a service said of a failure."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A call about to be made, on behalf of a turn."""

    conversation_id: ConversationId
    owner_id: UserId
    turn_id: TurnId
    attempt: int
    card: ModelCard
    messages: Sequence[LLMMessage]
    sampling: Sampling
    input_tokens: int
    """Our count of the prompt, used where the provider reports none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call went. What the model said went to `on_text` as it came."""

    attempt: Attempt
    error: EngineError | None
    """A ModelError, or an InternalError where an adapter of ours broke."""


@dataclass(slots=True)
class _Progress:
    started: float
    first_text: float | None = None
    text_parts: list[str] = field(default_factory=list)


class LlmService:
    """The door to models."""

    def __init__(self, catalog: ModelCatalog, *, clock: Clock, settings: LlmSettings) -> None:
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._repo = LlmRequestRepo()

    def card(self, name: str | None) -> ModelCard:
        """The model of this name (`None`: the default). Raises UnknownModelError."""
        return self._catalog.card(name)

    def reply_limit_tokens(self, card: ModelCard, sampling: Sampling) -> int:
        """How long a reply may get: as asked or by setting, and never over half of what the model can hold."""
        return min(sampling.reply_limit_tokens or self._settings.reply_limit_tokens, card.context_tokens // 2)

    async def answer(self, call: ModelCall, *, on_text: Callable[[str], None]) -> Answer:
        """Call the model once; never raises a ModelError.

        When the task is cancelled the upstream connection is closed and the answer says `cancelled`, with usage
        estimated from what was said.
        """
        progress = _Progress(started=self._clock.monotonic())
        created_at = self._clock.now()
        error: EngineError | None = None
        finished: ReplyFinished | None = None
        status = AttemptStatus.COMPLETED
        try:
            finished = plausible(await self._consume(call, progress, on_text))
        except asyncio.CancelledError:
            status = AttemptStatus.CANCELLED
        except ModelError as failure:
            error, status = failure, AttemptStatus.FAILED
        except Exception:  # noqa: BLE001 - a defect of an adapter is a failed call, and stays on record
            _log.exception("model.adapter_crashed", turn_id=call.turn_id, provider=call.card.provider)
            error, status = InternalError(), AttemptStatus.FAILED
        usage = self._usage(call, progress, finished)
        ended = self._clock.monotonic()
        first = progress.first_text
        return Answer(
            error=error,
            attempt=Attempt(
                id=LlmRequestId(new_id()),
                conversation_id=call.conversation_id,
                owner_id=call.owner_id,
                turn_id=call.turn_id,
                attempt=call.attempt,
                provider=call.card.provider,
                model=call.card.provider_model,
                parameters=call.sampling.as_json(),
                status=status,
                latency_ms=round((ended - progress.started) * 1000),
                first_token_ms=None if first is None else round((first - progress.started) * 1000),
                usage=usage,
                cost=None if usage is None else cost_of(call.card, usage, at=created_at),
                finish_reason=finished.finish_reason if finished else None,
                error_code=error.code if error else None,
                error_cause=storable(error.cause[:CAUSE_LIMIT]) if isinstance(error, ModelError) else None,
                created_at=created_at,
            ),
        )

    def record(self, tx: Tx, attempt: Attempt) -> None:
        """Put a call on record, in the caller's transaction."""
        self._repo.insert(tx, attempt)

    def attempts_of(self, tx: Tx, turn_id: TurnId) -> Sequence[Attempt]:
        """A turn's calls, in order."""
        return self._repo.list_of_turn(tx, turn_id)

    async def _consume(self, call: ModelCall, progress: _Progress, on_text: Callable[[str], None]) -> ReplyFinished:
        settings = self._settings
        request = ModelRequest(model=call.card.provider_model, messages=call.messages, sampling=call.sampling)
        now = asyncio.get_running_loop().time
        end = now() + settings.total_timeout_seconds
        try:
            async with (
                asyncio.timeout_at(min(end, now() + settings.first_token_timeout_seconds)) as deadline,
                aclosing(self._catalog.provider(call.card).stream(request)) as events,
            ):
                async for event in events:
                    if isinstance(event, ReplyFinished):
                        return event
                    if progress.first_text is None:
                        progress.first_text = self._clock.monotonic()
                    deadline.reschedule(min(end, now() + settings.between_tokens_timeout_seconds))
                    progress.text_parts.append(event.text)
                    on_text(event.text)
        except TimeoutError as error:
            raise ModelTimeoutError(_phase(progress, is_over=now() >= end)) from error
        raise AssertionError("a provider ends with ReplyFinished or raises")

    def _usage(self, call: ModelCall, progress: _Progress, finished: ReplyFinished | None) -> TokenUsage | None:
        if finished is not None and finished.usage is not None:
            return finished.usage
        if progress.first_text is None:
            return None
        output = count_tokens("".join(progress.text_parts))
        return TokenUsage(
            input_tokens=call.input_tokens,
            cached_tokens=0,
            output_tokens=tokens_for(call.card, output),
            source=UsageSource.ESTIMATED,
        )


def _phase(progress: _Progress, *, is_over: bool) -> str:
    if is_over:
        return "total"
    return "first_token" if progress.first_text is None else "between_tokens"
