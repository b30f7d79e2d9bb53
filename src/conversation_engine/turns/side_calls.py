"""Model calls beside a turn's reply: for summaries, titles, questions that are read by a model.

Promised to the budgets of the conversation's owner before, on record, in the totals and paid after, as replies are. A
call has an id of its own in place of a turn's, so that nobody finds it among a turn's calls, and budgets know it by it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.limits.errors import OverBudgetError, UnknownPriceError
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Expected
from conversation_engine.domains.llm.service import LlmService, ModelCall
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import TurnId
from conversation_engine.kernel.people import Role
from conversation_engine.turns.spending import spent_on, total_usage

_log = get_logger(__name__)


class SideCalls:
    """Their books. What a process that dies has promised is released by any other when its lease has run out."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        budgets: BudgetService,
        clock: Clock,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._budgets = budgets
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._promised: dict[TurnId, asyncio.Task[object] | None] = {}
        """Who made a promise: one whose task is over, however it ended, is not held any longer."""

    @property
    def may_be_bounded(self) -> bool:
        """Whether there are budgets at all. No I/O."""
        return self._budgets.may_be_any

    async def refusal(
        self, call: ModelCall, conversation: Conversation | None, *, calls: int = 1, role: Role | None = None
    ) -> EngineError | None:
        """Promise so many such calls in the name of the call's `turn_id`; the reason where no budget covers them.

        One short transaction where a budget may apply, else nothing. `role`: of who asks; `None`: nobody does.
        """
        where: dict[str, str | None] = {}
        if conversation is not None:
            where = {"conversation": conversation.id, "persona": conversation.persona_id}
        payers = payers_of(call.owner_id, role, **where)
        if not self._budgets.may_apply(payers):
            return None
        most = self._llm.most(call.card, call.sampling, input_tokens=call.input_tokens)

        def dollars() -> Decimal | None:
            price = most.dollars()
            return None if price is None else price * calls

        expected = Expected(tokens=most.tokens * calls, dollars=dollars)
        until = self._clock.now() + self._lease
        try:
            await self._database.write(
                lambda tx: self._budgets.reserve(tx, call.turn_id, payers, expected, held_until=until)
            )
        except (OverBudgetError, UnknownPriceError) as refused:
            _log.info("side_call.refused", conversation_id=call.conversation_id, error=refused.code)
            return refused
        self._promised[call.turn_id] = asyncio.current_task()
        return None

    async def hold(self) -> None:
        """A sign of life for what this process has promised. One statement where there is something, else nothing."""
        for calls_id, task in list(self._promised.items()):
            if task is None or task.done():
                del self._promised[calls_id]
        if held := list(self._promised):
            until = self._clock.now() + self._lease
            await self._database.write(lambda tx: self._budgets.hold(tx, held, until=until))

    def book(self, tx: Tx, conversation: Conversation | None, attempts: Sequence[Attempt], *, calls_id: TurnId) -> None:
        """Put calls on record, in the totals, and in the place of what was promised for them, in the caller's `tx`.

        Where the conversation is deleted by now, without a word of what was said in it. Two statements, three where
        budgets are, and one a call.
        """
        if conversation is not None:
            attempts = self._added(tx, conversation, attempts)
        for attempt in attempts:
            self._llm.record(tx, attempt)
        self._promised.pop(calls_id, None)
        if self._budgets.may_be_any and not self._budgets.settle(tx, calls_id, spent_on(attempts)):
            self._budgets.amend(tx, calls_id, spent_on(attempts))  # we were slow, and others thought us dead

    def _added(self, tx: Tx, conversation: Conversation, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        """To the totals; as they are to be kept."""
        try:
            self._conversations.hold(tx, conversation.id, owner_id=conversation.owner_id)
        except ConversationNotFoundError:
            return [replace(attempt, parameters={}, error_cause=None) for attempt in attempts]
        self._conversations.add_usage(tx, conversation.id, total_usage(attempts))
        return attempts
