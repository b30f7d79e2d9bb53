"""The door to models: who answers, who answers instead, and what is on record of it."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final

from conversation_engine.domains.llm.abilities import missing
from conversation_engine.domains.llm.backoff import retry_wait_seconds
from conversation_engine.domains.llm.calling import ModelCall, ModelCaller, Outcome
from conversation_engine.domains.llm.catalog import ModelCatalog, Service
from conversation_engine.domains.llm.checking import check_call, check_model
from conversation_engine.domains.llm.circuits import Circuits
from conversation_engine.domains.llm.errors import ContextTooLongError, ModelCannotError, ModelError
from conversation_engine.domains.llm.known_models import ModelFacts
from conversation_engine.domains.llm.lost import lost_call
from conversation_engine.domains.llm.metering import CallMeter
from conversation_engine.domains.llm.parts import Parts
from conversation_engine.domains.llm.pricing import list_price_of, load_prices, price_of
from conversation_engine.domains.llm.ratios import RatioBook
from conversation_engine.domains.llm.repo import LlmRequestRepo
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.slots import Load
from conversation_engine.domains.llm.tokens import count_prompt, ratio_for
from conversation_engine.domains.llm.types import (
    Attempt,
    AttemptStatus,
    CallBound,
    ModelCard,
    ModelCheck,
    ModelListing,
    PromptCount,
    Sampling,
    TokenUsage,
    UsageSource,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.observability.tracing import NO_TRACES, Tracer
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId

__all__ = ["Answer", "LlmService", "ModelCall"]

ELSEWHERE: Final = "elsewhere"
"""Provider and model of a call that was not ours."""
REMEMBERED_CALLS: Final = 512
"""Read at start: a few milliseconds."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a question went. What the model said went to `on_text` as it came."""

    attempts: tuple[Attempt, ...]
    """Every call that was made, in order; none where the model is left alone or the turn was stopped before it."""
    error: EngineError | None
    """A ModelError, or an InternalError where an adapter of ours broke; `None` too when the task was cancelled."""

    @property
    def was_stopped(self) -> bool:
        """Whether the task was cancelled in it: whoever awaited this is to end, too."""
        is_whole = bool(self.attempts) and self.attempts[-1].status is AttemptStatus.COMPLETED
        return self.error is None and not is_whole


class LlmService:
    """Retries, fallback models and what is known of models that fail live here; belongs to one event loop."""

    def __init__(
        self,
        catalog: ModelCatalog,
        *,
        clock: Clock,
        settings: LlmSettings,
        random: Random | None = None,
        recorder: Recorder = SILENCE,
        tracer: Tracer = NO_TRACES,
    ) -> None:
        """`random` draws the jitter of retries. Raises UnknownModelError for a fallback model that nobody has."""
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._random = random or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._caller = ModelCaller(clock=clock, settings=settings)
        self._fallbacks = tuple(map(catalog.card, settings.fallback_models))
        self._circuits = Circuits(
            clock, faults_to_open=settings.circuit_faults, open_seconds=settings.circuit_open_seconds
        )
        self._ratios = RatioBook()
        self._meter = CallMeter(recorder, tracer)
        self._repo = LlmRequestRepo()

    def card(self, name: str | None) -> ModelCard:
        """The model of this name (`None`: the default), with what was learned of it. Raises UnknownModelError."""
        card = self._catalog.card(name)
        ratios = self._ratios.of(card)
        return card if ratios is None else replace(card, ratios=ratios)

    def check_can(self, card: ModelCard, sampling: Sampling, said: Iterable[Parts | None] = ()) -> None:
        """Raises ModelCannotError for what the model is known not to do. No I/O."""
        if (field := missing(card, sampling, said)) is not None:
            raise ModelCannotError(card.name, field)

    def reply_limit_tokens(self, card: ModelCard, sampling: Sampling) -> int:
        """How long a reply may get: as asked or by setting, never over half of what the model can hold, nor over its
        service's own limit."""
        asked = sampling.reply_limit_tokens or self._settings.reply_limit_tokens
        return min(asked, card.context_tokens // 2, card.output_limit_tokens or asked)

    def names(self) -> Sequence[str]:
        """Every model that somebody has told us of. No I/O."""
        return list(dict.fromkeys([*self._catalog.names(), *self._settings.fallback_models]))

    def provider_loads(self) -> Mapping[str, Load]:
        """How many calls each provider has now. No I/O."""
        return self._catalog.loads()

    def open_circuits(self) -> Sequence[str]:
        """Models that are left alone at the moment. No I/O."""
        return self._circuits.open_models()

    async def models(self) -> Sequence[ModelListing]:
        """Every model that somebody has told us of, and whether it can be asked now. Asks nobody; reads no key."""
        await asyncio.to_thread(load_prices)
        return [self._listing(self._catalog.card(name)) for name in self.names()]

    def check_call(self, name: str | None, *, owner_id: UserId) -> ModelCall:
        """What `check` is to ask, on behalf of `owner_id`. Raises UnknownModelError."""
        return check_call(self._catalog.card(name), owner_id=owner_id)

    async def check(self, call: ModelCall) -> ModelCheck:
        """Whether a model answers, and what precisely is wrong if not. Puts nothing on record: see `ModelCheck`."""
        if not call.card.is_free:
            await asyncio.to_thread(load_prices)
        checked = await check_model(self._catalog.family(call.card), call, caller=self._caller)
        if checked.attempt is not None:
            self._meter.note_call(call.card, checked.attempt)
        return checked

    def most(self, card: ModelCard, sampling: Sampling, *, input_tokens: int) -> CallBound:
        """The most that one answer to so long a prompt can take, whichever model gives it.

        Calls that fail before the first word cost nothing. The price is unknown if that of one fallback model is.
        """
        sizes = []
        for one in (card, *self._fallbacks):
            own_tokens = math.ceil(input_tokens / ratio_for(card) * ratio_for(one))
            sizes.append((one, own_tokens, self.reply_limit_tokens(one, sampling)))
        at = self._clock.now()

        def dollars() -> Decimal | None:
            known = [price for size in sizes if (price := price_of(*size, at)) is not None]
            return max(known) if len(known) == len(sizes) else None

        return CallBound(tokens=max(read + said for _, read, said in sizes), dollars=dollars)

    async def answer(self, call: ModelCall, *, on_text: Callable[[str], None]) -> Answer:
        """Have the model answer, or a fallback model in its place; never raises a ModelError.

        What fails before the first word is tried again, then asked of the fallback models in order. Once a word was
        said the failure is the answer's. When the task is cancelled the upstream connection is closed and nothing more
        is tried. `call.attempt` numbers the first call.
        """
        attempts: list[Attempt] = []
        first_error: EngineError | None = None
        try:
            for one in self._candidates(call):
                if isinstance(first_error, ContextTooLongError) and one.card.context_tokens <= call.card.context_tokens:
                    continue
                if one.card.name != call.card.name:
                    self._meter.note_fallback(one.card)
                error = await self._ask(one, attempts, on_text)
                if error is None or _is_final(error, attempts):
                    return Answer(attempts=tuple(attempts), error=error)
                first_error = first_error or error
        except asyncio.CancelledError:
            return Answer(attempts=tuple(attempts), error=None)
        return Answer(attempts=tuple(attempts), error=first_error)

    def record(self, tx: Tx, attempt: Attempt) -> None:
        """Put a call on record, in the caller's transaction."""
        self._repo.insert(tx, attempt)

    def presumed(self, call: ModelCall, text: str, *, at: datetime) -> Attempt:
        """A call that was made at `at` by a process that died, as far as others can tell: see `lost_call`. No I/O."""
        return lost_call(call, text, at=at)

    def correct(self, tx: Tx, attempt: Attempt) -> None:
        """Put what a call really came to in the place of what was presumed of it under the same id."""
        self._repo.replace(tx, attempt)

    def withdraw(self, tx: Tx, attempt_id: LlmRequestId) -> None:
        """Take a call off the record that was presumed, and never made."""
        self._repo.delete(tx, attempt_id)

    def remember(self, tx: Tx) -> None:
        """Learn again what earlier processes learned of models: their newest calls. One statement."""
        calls: dict[tuple[str, str], list[tuple[PromptCount, int]]] = {}
        for provider, model, counted, input_tokens in reversed(self._repo.list_counted(tx, count=REMEMBERED_CALLS)):
            calls.setdefault((provider, model), []).append((counted, input_tokens))
        for (provider, model), seen in calls.items():
            card = ModelCard(name=model, provider=provider, provider_model=model, context_tokens=0)
            self._ratios.learn_all(card, seen)

    def record_elsewhere(
        self,
        tx: Tx,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        input_tokens: int,
        output_tokens: int,
        cost: Decimal | None,
    ) -> None:
        """Put on record what somebody says that a call of their own used and cost, in the caller's transaction."""
        self._repo.insert(
            tx,
            Attempt(
                id=LlmRequestId(new_id()),
                conversation_id=conversation_id,
                owner_id=owner_id,
                turn_id=None,
                attempt=1,
                provider=ELSEWHERE,
                model=ELSEWHERE,
                parameters={},
                status=AttemptStatus.COMPLETED,
                latency_ms=0,
                first_token_ms=None,
                usage=TokenUsage(
                    input_tokens=input_tokens,
                    cached_tokens=0,
                    output_tokens=output_tokens,
                    source=UsageSource.CALLER,
                ),
                cost=cost,
                finish_reason=None,
                error_code=None,
                error_cause=None,
                created_at=self._clock.now(),
            ),
        )

    def forget(self, tx: Tx, conversation_id: ConversationId) -> None:
        """Forget what was asked in a conversation that is about to be deleted; what its calls cost stays on record."""
        self._repo.forget(tx, conversation_id)

    def attempts_of(self, tx: Tx, turn_id: TurnId) -> Sequence[Attempt]:
        """A turn's calls, in order."""
        return self._repo.list_of_turn(tx, turn_id)

    def _listing(self, card: ModelCard) -> ModelListing:
        family = self._catalog.family(card)
        facts = family.facts.get(card.provider_model) or ModelFacts()
        ranks = [fallback.name for fallback in self._fallbacks]
        return ModelListing(
            card=card,
            context_tokens=card.context_tokens if family.only_model else facts.context_tokens,
            capabilities=None if facts.capabilities is None else sorted(facts.capabilities),
            price=list_price_of(card, self._clock.now()),
            is_default=card.name == self._catalog.card(None).name,
            fallback_rank=ranks.index(card.name) + 1 if card.name in ranks else None,
            unusable=self._unusable(family.service, card),
        )

    def _unusable(self, service: Service, card: ModelCard) -> str | None:
        if service.needs_key and not service.has_key:
            return "no_key"
        if service.missing() is not None:
            return "not_installed"
        return "circuit_open" if self._circuits.is_open(card) else None

    def _candidates(self, call: ModelCall) -> Iterator[ModelCall]:
        """The call itself, then the same of the fallback models whose window the prompt fits into."""
        yield self._fitted(call, call.card, call.input_tokens)
        for card in self._fallbacks:
            tokens = math.ceil(call.input_tokens * ratio_for(card) / ratio_for(call.card))
            can = missing(card, call.sampling, _more_than_text(call)) is None
            if card.name != call.card.name and tokens < card.context_tokens and can:
                yield self._fitted(call, card, tokens)

    def _fitted(self, call: ModelCall, card: ModelCard, input_tokens: int) -> ModelCall:
        limit = min(self.reply_limit_tokens(card, call.sampling), card.context_tokens - input_tokens)
        sampling = replace(call.sampling, reply_limit_tokens=limit)
        return replace(call, card=card, sampling=sampling, input_tokens=input_tokens)

    async def _ask(
        self, call: ModelCall, attempts: list[Attempt], on_text: Callable[[str], None]
    ) -> EngineError | None:
        """One model, as often as it is worth it; how the last call went. Raises CancelledError."""
        began = self._clock.monotonic()
        error: EngineError | None = None
        tries = 0
        while True:
            try:
                outcome = await self._call(replace(call, attempt=call.attempt + len(attempts)), on_text)
            except ModelError as refused:  # no call was made
                self._meter.note_refusal(call.card, refused)
                return error or refused
            attempts.append(self._compared(call, outcome.attempt))
            self._meter.note_call(call.card, outcome.attempt)
            if tries:
                self._meter.note_retry(call.card)
            if outcome.attempt.status is AttemptStatus.CANCELLED:
                raise asyncio.CancelledError
            error = outcome.error
            tries += 1
            if outcome.was_heard or not isinstance(error, ModelError):
                return error
            waited = self._clock.monotonic() - began
            wait = retry_wait_seconds(
                error, tries=tries, waited_seconds=waited, settings=self._settings, random=self._random
            )
            _log_failure(call, error, wait)
            if wait is None:
                return error
            await asyncio.sleep(wait)

    def _compared(self, call: ModelCall, attempt: Attempt) -> Attempt:
        """With our own count of the prompt, where the provider's teaches us something."""
        usage = attempt.usage
        if usage is None or usage.source is not UsageSource.PROVIDER:
            return attempt
        texts = [message.content for message in call.messages if isinstance(message.content, str)]
        if call.sampling.tools is not None or len(texts) < len(call.messages):  # which the service counts its own way
            return attempt
        if not self._ratios.wants(call.card, sum(map(len, texts))):
            return attempt
        counted = count_prompt(call.messages)
        self._ratios.learn(call.card, counted, usage.input_tokens)
        return replace(attempt, counted=counted)

    async def _call(self, call: ModelCall, on_text: Callable[[str], None]) -> Outcome:
        """One call, if one may be made. Raises CircuitOpenError, ModelBusyError, or CancelledError before it began."""
        circuits, card = self._circuits, call.card
        async with self._catalog.slots(card).hold(call.owner_id):
            circuits.enter(card)
            with self._meter.span_of(call) as span:
                outcome = await self._caller(self._catalog.provider(card), call, on_text)
                self._meter.end_span(span, outcome)
            if outcome.attempt.status is AttemptStatus.CANCELLED or not isinstance(outcome.error, ModelError | None):
                circuits.give_up(card)
            else:
                circuits.leave(card, outcome.error)
        return outcome


def _more_than_text(call: ModelCall) -> Iterable[Parts]:
    return (message.content for message in call.messages if not isinstance(message.content, str))


def _is_final(error: EngineError, attempts: Sequence[Attempt]) -> bool:
    """Whether no other model is to be asked."""
    was_heard = bool(attempts) and attempts[-1].first_token_ms is not None
    return was_heard or not (isinstance(error, ModelError) and error.may_others_answer)


def _log_failure(call: ModelCall, error: ModelError, wait: float | None) -> None:
    _log.warning(
        "model.call_failed",
        turn_id=call.turn_id,
        model=call.card.name,
        error=error.code,
        cause=error.cause,
        retry_seconds=None if wait is None else round(wait, 3),
    )
