"""Model calls beside a turn's reply: for summaries, titles, questions that are read by a model.

Promised to the budgets of the conversation's owner and written down before, on record, in the totals, paid and counted
after, as replies are. A call has an id of its own in place of a turn's, so that nobody finds it among a turn's calls,
and budgets know it by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.limits.errors import OverBudgetError, UnknownPriceError
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Expected, Payers
from conversation_engine.domains.llm.service import LlmService, ModelCall
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.types import Job
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId
from conversation_engine.kernel.people import Role
from conversation_engine.turns.begun_calls.service import CallRegister
from conversation_engine.turns.spending import spent_on

OnTokens = Callable[[UserId, Role | None, int], Awaitable[None]]
"""Hears whose calls took how many tokens."""
_log = get_logger(__name__)


async def count_nothing(_owner_id: UserId, _role: Role | None, _tokens: int) -> None:
    """Where no rule counts tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """Calls in one name that were begun here."""

    task: asyncio.Task[object] | None
    """Who makes them: what was promised by one that is over, however it ended, is not held any longer."""
    owner_id: UserId
    role: Role | None


def role_of(job: Job) -> Role | None:
    """Of whose turn wanted this work."""
    role = job.payload.get("role")
    return None if role is None else Role(role)


class SideCalls:
    """Their books. What a process that dies has begun is put on record by any other when its lease has run out."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        budgets: BudgetService,
        clock: Clock,
        lease_seconds: float,
        on_tokens: OnTokens = count_nothing,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._budgets = budgets
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._on_tokens = on_tokens
        self._register = CallRegister(llm=llm, budgets=budgets)
        self._begun: dict[TurnId, _Begun] = {}

    async def begin(
        self,
        call: ModelCall,
        conversation: Conversation | None,
        *,
        calls: int = 1,
        most_input_tokens: int | None = None,
        role: Role | None = None,
    ) -> EngineError | None:
        """Promise so many such calls in the name of the call's `turn_id`, and write down that the first begins.

        The reason where no budget covers them: then it is not to be made. `most_input_tokens`: where a later one may
        read more than this one. `role`: of whose turn led to it, where it is known. One short transaction.
        """
        where: dict[str, str | None] = {}
        if conversation is not None:
            where = {"conversation": conversation.id, "persona": conversation.persona_id}
        payers = payers_of(call.owner_id, role, **where)
        largest = call if most_input_tokens is None else replace(call, input_tokens=most_input_tokens)
        try:
            await self._write_down(call, lambda tx: self._promise(tx, largest, payers, calls=calls))
        except (OverBudgetError, UnknownPriceError) as refused:
            _log.info("side_call.refused", conversation_id=call.conversation_id, error=refused.code)
            return refused
        self._begun[call.turn_id] = _Begun(task=asyncio.current_task(), owner_id=call.owner_id, role=role)
        return None

    async def go_on(self, call: ModelCall, conversation: Conversation | None, made: Sequence[Attempt]) -> None:
        """Another call begins in a name in which `made` were made since the last was begun. One short transaction."""
        await self._write_down(call, lambda tx: self._put(tx, conversation, made, calls_id=call.turn_id))
        await self._count(call.turn_id, made)

    async def end(
        self,
        conversation: Conversation | None,
        attempts: Sequence[Attempt],
        *,
        calls_id: TurnId,
        beside: Callable[[Tx], None] | None = None,
    ) -> None:
        """Put calls on record, in the totals, and in the place of what was promised for them; and do `beside`, if that
        succeeds.

        `attempts`: since the last call was begun. Where the conversation is deleted by now, without a word of what was
        said in it. One short transaction: three statements, two more where budgets are, and one a call.
        """

        def work(tx: Tx) -> None:
            self._put(tx, conversation, attempts, calls_id=calls_id)
            self._register.settle(tx, calls_id)
            if beside is not None:
                beside(tx)

        await self._database.write(work)
        await self._count(calls_id, attempts)
        self._begun.pop(calls_id, None)

    async def hold(self) -> None:
        """A sign of life for what this process has begun. Nothing where there is nothing."""
        for calls_id, begun in list(self._begun.items()):
            if begun.task is None or begun.task.done():
                del self._begun[calls_id]
        if held := list(self._begun):
            until = self._clock.now() + self._lease
            await self._database.write(lambda tx: self._register.hold(tx, held, until=until))

    async def give_up_lost(self) -> None:
        """Put calls of dead processes on record, as far as anybody can tell. One statement where there are none."""
        now = self._clock.now()
        for lost in await self._database.read(lambda tx: self._register.lost(tx, now=now)):
            calls_id = lost.turn_id
            if calls_id is None:
                continue

            def work(tx: Tx, lost: Attempt = lost, calls_id: TurnId = calls_id) -> None:
                is_there = self._holds(tx, lost.conversation_id, lost.owner_id)
                usage = self._register.give_up(tx, lost, calls_id=calls_id, now=now)
                if usage is not None and is_there:
                    self._conversations.add_usage(tx, lost.conversation_id, usage)

            await self._database.write(work)
            _log.warning("side_call.given_up", conversation_id=lost.conversation_id, model=lost.model)

    async def _write_down(self, call: ModelCall, first: Callable[[Tx], None]) -> None:
        now = self._clock.now()
        # In a thread: the first price takes a while, and this process has leases to keep.
        presumed = await asyncio.to_thread(self._llm.presumed, call, "", at=now)

        def work(tx: Tx) -> None:
            first(tx)
            self._register.begin(tx, presumed, until=now + self._lease)

        await self._database.write(work)

    def _promise(self, tx: Tx, call: ModelCall, payers: Payers, *, calls: int) -> None:
        if not self._budgets.may_apply(payers):
            return
        most = self._llm.most(call.card, call.sampling, input_tokens=call.input_tokens)

        def dollars() -> Decimal | None:
            price = most.dollars()
            return None if price is None else price * calls

        expected = Expected(tokens=most.tokens * calls, dollars=dollars)
        self._budgets.reserve(tx, call.turn_id, payers, expected, held_until=self._clock.now() + self._lease)

    def _put(self, tx: Tx, conversation: Conversation | None, attempts: Sequence[Attempt], *, calls_id: TurnId) -> None:
        is_there = conversation is not None and self._holds(tx, conversation.id, conversation.owner_id)
        if conversation is not None and not is_there:
            attempts = [replace(attempt, parameters={}, error_cause=None) for attempt in attempts]
        usage = self._register.put(tx, attempts, calls_id=calls_id)
        if conversation is not None and is_there:
            self._conversations.add_usage(tx, conversation.id, usage)

    def _holds(self, tx: Tx, conversation_id: ConversationId, owner_id: UserId) -> bool:
        """Whether it is still there; nobody deletes it or adds to it before `tx` ends."""
        try:
            self._conversations.hold(tx, conversation_id, owner_id=owner_id)
        except ConversationNotFoundError:
            return False
        return True

    async def _count(self, calls_id: TurnId, attempts: Sequence[Attempt]) -> None:
        begun = self._begun.get(calls_id)
        if begun is not None and (tokens := spent_on(attempts).tokens):
            await self._on_tokens(begun.owner_id, begun.role, tokens)
