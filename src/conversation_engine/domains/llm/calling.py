"""One model call, watched, timed, counted and priced."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from conversation_engine.domains.llm.errors import (
    CallCancelledError,
    ContentFilteredError,
    ModelError,
    ModelTimeoutError,
)
from conversation_engine.domains.llm.plausible import plausible
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.pricing import cost_of
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.tokens import estimate, estimate_prompt, tools_tokens_for
from conversation_engine.domains.llm.translation import CAUSE_LIMIT
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
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError, InternalError
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId
from conversation_engine.kernel.text import storable

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
    stable_messages: int = 0
    """As in `ModelRequest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call went. What the model said went to `on_text` as it came."""

    attempt: Attempt
    error: EngineError | None
    """A ModelError, or an InternalError where an adapter of ours broke."""

    @property
    def was_heard(self) -> bool:
        """Whether the model had begun to speak: then nobody may ask again behind the user's back."""
        return self.attempt.first_token_ms is not None


@dataclass(slots=True)
class _Progress:
    started: float
    first_text: float | None = None
    text_parts: list[str] = field(default_factory=list)
    finished: ReplyFinished | None = None


class ModelCaller:
    """Makes calls, one at a time, without retries."""

    def __init__(self, *, clock: Clock, settings: LlmSettings) -> None:
        self._clock = clock
        self._settings = settings

    async def __call__(self, provider: ModelProvider, call: ModelCall, on_text: Callable[[str], None]) -> Outcome:
        """Call the model once; never raises.

        When the task is cancelled the upstream connection is closed and the attempt says `cancelled`, with usage
        estimated from what was said: a service bills a prompt that it has, whether or not it got to a word.
        """
        progress = _Progress(started=self._clock.monotonic())
        created_at = self._clock.now()
        error: EngineError | None = None
        status = AttemptStatus.COMPLETED
        try:
            await self._consume(provider, call, progress, on_text)
        except asyncio.CancelledError:
            error, status = CallCancelledError(), AttemptStatus.CANCELLED
        except ModelError as failure:
            error, status = failure, AttemptStatus.FAILED
        except Exception:  # noqa: BLE001 - a defect of an adapter is a failed call, and stays on record
            _log.exception("model.adapter_crashed", turn_id=call.turn_id, provider=call.card.provider)
            error, status = InternalError(), AttemptStatus.FAILED
        usage = self._usage(call, progress, is_cancelled=status is AttemptStatus.CANCELLED)
        ended = self._clock.monotonic()
        first = progress.first_text
        return Outcome(
            error=error,
            attempt=Attempt(
                id=LlmRequestId(new_id()),
                conversation_id=call.conversation_id,
                owner_id=call.owner_id,
                turn_id=call.turn_id,
                attempt=call.attempt,
                provider=call.card.provider,
                model=call.card.provider_model,
                parameters=call.sampling.noted(),
                status=status,
                latency_ms=round((ended - progress.started) * 1000),
                first_token_ms=None if first is None else round((first - progress.started) * 1000),
                usage=usage,
                cost=None if usage is None else cost_of(call.card, usage, at=created_at),
                finish_reason=progress.finished.finish_reason if progress.finished else None,
                error_code=error.code if error else None,
                error_cause=storable(error.cause[:CAUSE_LIMIT]) if isinstance(error, ModelError) else None,
                created_at=created_at,
            ),
        )

    async def _consume(
        self, provider: ModelProvider, call: ModelCall, progress: _Progress, on_text: Callable[[str], None]
    ) -> None:
        settings = self._settings
        request = ModelRequest(
            model=call.card.provider_model,
            messages=call.messages,
            sampling=call.sampling,
            stable_messages=call.stable_messages,
            cache_key=call.conversation_id,
        )
        now = asyncio.get_running_loop().time
        end = now() + settings.total_timeout_seconds
        try:
            async with (
                asyncio.timeout_at(min(end, now() + settings.first_token_timeout_seconds)) as deadline,
                aclosing(provider.stream(request)) as events,
            ):
                async for event in events:
                    if isinstance(event, ReplyFinished):
                        progress.finished = plausible(event)
                        break
                    if progress.first_text is None:
                        progress.first_text = self._clock.monotonic()
                    deadline.reschedule(min(end, now() + settings.between_tokens_timeout_seconds))
                    progress.text_parts.append(event.text)
                    on_text(event.text)
        except TimeoutError as error:
            raise ModelTimeoutError(_phase(progress, is_over=now() >= end)) from error
        if progress.finished is None:
            raise AssertionError("a provider ends with ReplyFinished or raises")
        if progress.finished.finish_reason == "content_filter" and progress.first_text is None:
            raise ContentFilteredError("the reply was filtered before its first word")

    def _usage(self, call: ModelCall, progress: _Progress, *, is_cancelled: bool) -> TokenUsage | None:
        if progress.finished is not None and progress.finished.usage is not None:
            return progress.finished.usage
        if progress.first_text is None and not is_cancelled:
            return None
        return TokenUsage(
            input_tokens=estimate_prompt(call.card, call.messages) + tools_tokens_for(call.card, call.sampling),
            cached_tokens=0,
            output_tokens=estimate(call.card, "".join(progress.text_parts)),
            source=UsageSource.ESTIMATED,
        )


def _phase(progress: _Progress, *, is_over: bool) -> str:
    if is_over:
        return "total"
    return "first_token" if progress.first_text is None else "between_tokens"
