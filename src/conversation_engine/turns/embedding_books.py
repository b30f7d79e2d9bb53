"""The books of calls that turn texts into vectors at a service: promised, on record and paid like every other call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Expected
from conversation_engine.domains.llm.embeddings.types import Embedded
from conversation_engine.domains.llm.errors import CallCancelledError, ModelError
from conversation_engine.domains.llm.lost import lost
from conversation_engine.domains.llm.pricing import cost_of, price_of
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import count_tokens
from conversation_engine.domains.llm.translation import CAUSE_LIMIT
from conversation_engine.domains.llm.types import Attempt, AttemptStatus, ModelCard, TokenUsage, UsageSource
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId
from conversation_engine.kernel.text import storable
from conversation_engine.turns.begun_calls.service import CallRegister
from conversation_engine.turns.side_calls import OnTokens, count_nothing
from conversation_engine.turns.spending import spent_on

LEASE_SECONDS: Final = 60
"""How long a promise is kept beyond the longest call."""


class EmbeddingBooks:
    """An `EmbeddingBooks` of `domains.llm.embeddings`.

    A call has a turn id and a conversation id of its own: no conversation's totals are those of a search or an upload,
    its owner's are.
    """

    def __init__(
        self,
        database: Database,
        *,
        llm: LlmService,
        budgets: BudgetService,
        clock: Clock,
        longest_seconds: float,
        on_tokens: OnTokens = count_nothing,
    ) -> None:
        """`longest_seconds`: of a call."""
        self._database = database
        self._llm = llm
        self._budgets = budgets
        self._register = CallRegister(llm=llm, budgets=budgets)
        self._clock = clock
        self._on_tokens = on_tokens
        self._lease = timedelta(seconds=longest_seconds + LEASE_SECONDS)

    async def __call__(
        self, texts: Sequence[str], ask: Callable[[], Awaitable[Embedded]], *, model: str, owner_id: UserId
    ) -> Embedded:
        """See `EmbeddingBooks` in `domains.llm.embeddings.ports`. Two short transactions."""
        card = self._llm.card(model)
        expected_tokens = sum(map(count_tokens, texts))
        presumed = _presumed(card, expected_tokens, owner_id=owner_id, at=self._clock.now())
        await self._begin(card, presumed, tokens=expected_tokens)
        begun = self._clock.monotonic()
        error: EngineError | None = None
        answer: Embedded | None = None
        try:
            answer = await ask()
            return answer
        except ModelError as failure:
            error = failure
            raise
        except asyncio.CancelledError:
            error = CallCancelledError()
            raise
        finally:
            usage = _usage(answer, error, expected_tokens)
            attempt = replace(
                presumed,
                id=LlmRequestId(new_id()),
                parameters={"texts": len(texts)},
                status=_status(error),
                latency_ms=round((self._clock.monotonic() - begun) * 1000),
                usage=usage,
                cost=None if usage is None else cost_of(card, usage, at=presumed.created_at),
                error_code=error.code if error else None,
                error_cause=storable(error.cause[:CAUSE_LIMIT]) if isinstance(error, ModelError) else None,
            )
            await self._database.write(lambda tx: self._book(tx, attempt))
            if tokens := spent_on([attempt]).tokens:
                await self._on_tokens(owner_id, None, tokens)

    async def _begin(self, card: ModelCard, presumed: Attempt, *, tokens: int) -> None:
        """Promise and write down. Raises OverBudgetError or UnknownPriceError."""
        payers, now = payers_of(presumed.owner_id, None), presumed.created_at
        expected = Expected(tokens=tokens, dollars=lambda: price_of(card, tokens, 0, now))
        until = now + self._lease

        def work(tx: Tx) -> None:
            if self._budgets.may_apply(payers):
                self._budgets.reserve(tx, _name_of(presumed), payers, expected, held_until=until)
            self._register.begin(tx, presumed, until=until)

        try:
            await self._database.write(work)
        except OverBudgetError as refused:
            await self._budgets.tell_of_refusal(refused)
            raise

    def _book(self, tx: Tx, attempt: Attempt) -> None:
        self._register.put(tx, [attempt], calls_id=_name_of(attempt))
        self._register.settle(tx, _name_of(attempt))


def _presumed(card: ModelCard, tokens: int, *, owner_id: UserId, at: datetime) -> Attempt:
    """What such a call comes to whose process dies in it: it has the texts."""
    usage = TokenUsage(input_tokens=tokens, cached_tokens=0, output_tokens=0, source=UsageSource.ESTIMATED)
    return lost(
        turn_id=TurnId(new_id()),
        conversation_id=ConversationId(new_id()),
        owner_id=owner_id,
        attempt=1,
        provider=card.provider,
        model=card.provider_model,
        parameters={},
        usage=usage,
        cost=cost_of(card, usage, at=at),
        at=at,
    )


def _name_of(attempt: Attempt) -> TurnId:
    if attempt.turn_id is None:
        raise AssertionError("a call that was begun has a name")
    return attempt.turn_id


def _usage(answer: Embedded | None, error: EngineError | None, expected_tokens: int) -> TokenUsage | None:
    """What the service says; our own count where it does not, and of a call that was left: it has the texts."""
    told = answer.input_tokens if answer else None
    if answer is None and not isinstance(error, CallCancelledError):
        return None
    return TokenUsage(
        input_tokens=expected_tokens if told is None else told,
        cached_tokens=0,
        output_tokens=0,
        source=UsageSource.ESTIMATED if told is None else UsageSource.PROVIDER,
    )


def _status(error: EngineError | None) -> AttemptStatus:
    if error is None:
        return AttemptStatus.COMPLETED
    return AttemptStatus.CANCELLED if isinstance(error, CallCancelledError) else AttemptStatus.FAILED
