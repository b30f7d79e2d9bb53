"""The books of calls that turn texts into vectors at a service: promised, on record and paid like every other call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Expected
from conversation_engine.domains.llm.embeddings.types import Embedded
from conversation_engine.domains.llm.errors import CallCancelledError, ModelError
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
from conversation_engine.turns.spending import spent_on

LEASE_SECONDS: Final = 60
"""How long a promise is kept beyond the longest call."""


class EmbeddingBooks:
    """An `EmbeddingBooks` of `domains.llm.embeddings`.

    A call has a turn id and a conversation id of its own: no conversation's totals are those of a search or an upload,
    its owner's are.
    """

    def __init__(
        self, database: Database, *, llm: LlmService, budgets: BudgetService, clock: Clock, longest_seconds: float
    ) -> None:
        """`longest_seconds`: of a call."""
        self._database = database
        self._llm = llm
        self._budgets = budgets
        self._clock = clock
        self._lease = timedelta(seconds=longest_seconds + LEASE_SECONDS)

    async def __call__(
        self, texts: Sequence[str], ask: Callable[[], Awaitable[Embedded]], *, model: str, owner_id: UserId
    ) -> Embedded:
        """See `EmbeddingBooks` in `domains.llm.embeddings.ports`. One transaction, two where budgets may apply."""
        card, call_id = self._llm.card(model), TurnId(new_id())
        expected_tokens = sum(map(count_tokens, texts))
        is_promised = await self._promised(card, expected_tokens, call_id, owner_id)
        created_at, begun = self._clock.now(), self._clock.monotonic()
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
            attempt = Attempt(
                id=LlmRequestId(new_id()),
                conversation_id=ConversationId(new_id()),
                owner_id=owner_id,
                turn_id=call_id,
                attempt=1,
                provider=card.provider,
                model=card.provider_model,
                parameters={"texts": len(texts)},
                status=_status(error),
                latency_ms=round((self._clock.monotonic() - begun) * 1000),
                first_token_ms=None,
                usage=usage,
                cost=None if usage is None else cost_of(card, usage, at=created_at),
                finish_reason=None,
                error_code=error.code if error else None,
                error_cause=storable(error.cause[:CAUSE_LIMIT]) if isinstance(error, ModelError) else None,
                created_at=created_at,
            )
            await self._database.write(lambda tx: self._book(tx, attempt, call_id, is_promised=is_promised))

    async def _promised(self, card: ModelCard, tokens: int, call_id: TurnId, owner_id: UserId) -> bool:
        """Whether any budget was promised something. Raises OverBudgetError or UnknownPriceError."""
        payers = payers_of(owner_id, None)
        if not self._budgets.may_apply(payers):
            return False
        now: datetime = self._clock.now()
        expected = Expected(tokens=tokens, dollars=lambda: price_of(card, tokens, 0, now))
        until = now + self._lease
        try:
            return await self._database.write(
                lambda tx: self._budgets.reserve(tx, call_id, payers, expected, held_until=until)
            )
        except OverBudgetError as refused:
            await self._budgets.tell_of_refusal(refused)
            raise

    def _book(self, tx: Tx, attempt: Attempt, call_id: TurnId, *, is_promised: bool) -> None:
        self._llm.record(tx, attempt)
        if is_promised and not self._budgets.settle(tx, call_id, spent_on([attempt])):
            self._budgets.amend(tx, call_id, spent_on([attempt]))  # we were slow, and others thought us dead


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
