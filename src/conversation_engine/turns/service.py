"""What one can do with turns."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.checks import checked_limit
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import MOST_PER_PAGE, BusyPolicy, MessageRole, NewMessage
from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.observability.tracing import NO_TRACES, Tracer
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, UserId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.windows import NO_OPTIONS, WindowOptions
from conversation_engine.turns.errors import ShuttingDownError, TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.history import parent_of_edit, question_of
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.ports import Chores
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.runner import OnUsed, TurnRunner
from conversation_engine.turns.session_rules import as_shown, check_free
from conversation_engine.turns.settings import TurnSettings
from conversation_engine.turns.spending import TurnSpending
from conversation_engine.turns.state import is_final
from conversation_engine.turns.steps.admit import AdmitStep
from conversation_engine.turns.steps.assemble import AssembleStep, WindowRequest
from conversation_engine.turns.steps.retrieve import RetrieveStep
from conversation_engine.turns.telling import told
from conversation_engine.turns.topics import process_topic, turn_topic
from conversation_engine.turns.types import NewTurn, Turn, TurnDetail, TurnEnded, TurnEvent, TurnState
from conversation_engine.turns.watching import TurnWatch

INTERRUPT_TRIES = 5
"""How many running turns a turn that interrupts may meet before it gives up: others may be faster each time."""


class TurnService:
    """The door to the write path. `start` before use, `aclose` after.

    Generation belongs to this service, not to whoever asked: a caller that goes away changes nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        settings: TurnSettings,
        assemble: AssembleStep,
        chores: Chores,
        ledger: IdempotencyLedger,
        signals: Signals,
        budgets: BudgetService,
        retrieve: RetrieveStep,
        on_used: OnUsed | None = None,
        recorder: Recorder = SILENCE,
        tracer: Tracer = NO_TRACES,
    ) -> None:
        """`on_used` hears of every turn that has ended here, and how many tokens it took."""
        self._database, self._ledger = database, ledger
        self._conversations, self._llm, self._budgets = conversations, llm, budgets
        self._settings, self._meter = settings, TurnMeter(recorder, tracer)
        self._repo = TurnRepo()
        # A reply that breaks in the middle is paid, and so is the one that is begun in its place.
        calls = 2 if settings.on_broken_reply == "retry" else 1
        spending = TurnSpending(budgets=budgets, conversations=conversations, llm=llm, calls_per_turn=calls)
        self._line = TurnLine(
            conversations=conversations, llm=llm, clock=clock, limit=settings.queue_limit, spending=spending
        )
        self._admit = AdmitStep(
            database,
            conversations=conversations,
            llm=llm,
            clock=clock,
            line=self._line,
            ledger=ledger,
            spending=spending,
        )
        self._runner = TurnRunner(
            database,
            conversations=conversations,
            llm=llm,
            clock=clock,
            settings=settings,
            assemble=assemble,
            chores=chores,
            line=self._line,
            ledger=ledger,
            signals=signals,
            spending=spending,
            retrieve=retrieve,
            on_used=on_used,
            meter=self._meter,
        )
        beat = settings.heartbeat_seconds
        self._watch = TurnWatch(
            database, runner=self._runner, signals=signals, detail_of=self._ended, heartbeat_seconds=beat
        )
        self._assemble, self._signals = assemble, signals
        self._entering: set[asyncio.Task[Any]] = set()

    @property
    def running_count(self) -> int:
        """How many turns run in this process. No I/O."""
        return self._runner.running_count

    async def count_stored(self) -> Mapping[str, int]:
        """How many run (anywhere) and wait in line, by state. Two statements, on small indexes."""
        return await self._database.read(self._repo.count_live)

    async def start(self) -> None:
        """Begin to take turns, keep their leases alive and recover those of dead processes."""
        await self._database.read(self._llm.remember)
        self._runner.start()

    def begin_stop(self) -> None:
        """Take no more turns; when the grace time is over, end the running ones `interrupted` with what they said.

        Returns at once, so that watchers still hear how their turns end. Idempotent; call it from the event loop.
        """
        self._runner.begin_stop()

    async def aclose(self) -> None:
        """`begin_stop`, and wait until every turn has ended."""
        await self._runner.aclose(self._entering)

    async def submit(self, new: NewTurn) -> Turn:
        """Say something and have it answered: committed when this returns, answered in the background.

        A repetition (`once`) gives the turn of the first time. Raises ShuttingDownError, TurnInProgressError,
        QueueFullError, UnknownModelError, IdempotencyKeyReusedError, and what the conversation's door raises.
        """
        if self._runner.is_stopping:
            raise ShuttingDownError
        # Shielded: a caller that is cancelled in between must not leave an admitted turn that nobody runs.
        entering = asyncio.create_task(self._enter(new), name="turn-admission")
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        return await asyncio.shield(entering)

    async def edit(self, message_id: MessageId, new: NewTurn) -> Turn:
        """Say a user's message otherwise, beside it, and have that answered: `submit`, with its place found.

        Raises MessageNotFoundError, NotEditableError, and what `submit` raises. Two statements more than a turn.
        """
        message = await self._conversations.get_message(new.conversation_id, message_id, owner_id=new.owner_id)
        return await self.submit(replace(new, parent_id=parent_of_edit(message)))

    async def regenerate(self, message_id: MessageId, new: NewTurn) -> Turn:
        """Answer a message again, or the one that this reply answers; what `new` says is not looked at.

        Raises MessageNotFoundError, NothingToRegenerateError, and what `submit` raises.
        """
        message = await self._conversations.get_message(new.conversation_id, message_id, owner_id=new.owner_id)
        return await self.submit(replace(new, content=None, parent_id=question_of(message)))

    async def delete_message(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> int:
        """Remove a message and all that follows it; how many messages these were. One short transaction.

        Raises TurnInProgressError while a turn runs there, and MessageNotFoundError. A turn in line that was to
        follow one of them ends `failed` when its time comes. A repetition (`once`) removes nothing more: 0.
        """

        def work(tx: Tx) -> int:
            conversation = self._conversations.hold(tx, conversation_id, owner_id=owner_id)
            if running := self._repo.find_running(tx, conversation.id):
                raise TurnInProgressError(running.id)
            return self._conversations.remove_message(tx, conversation, message_id)

        return await self._ledger.write(
            once, work, owner_id=owner_id, result_id=parse_id(message_id), replay=lambda tx, gone: 0
        )

    async def get(self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId) -> TurnDetail:
        """A turn with its reply and its model calls. Raises TurnNotFoundError. Three statements."""
        return await self._database.read(lambda tx: self._detail(tx, conversation_id, turn_id, owner_id))

    async def find(self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId) -> Turn:
        """A turn without its reply, to `follow`. Raises TurnNotFoundError. One statement."""
        return await self._database.read(lambda tx: self._owned(tx, conversation_id, turn_id, owner_id))

    async def manifest(
        self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId
    ) -> dict[str, Any] | None:
        """What the model was shown and why; `None` while the turn runs."""

        def work(tx: Tx) -> dict[str, Any] | None:
            self._owned(tx, conversation_id, turn_id, owner_id)
            return self._repo.find_manifest(tx, turn_id)

        return await self._database.read(work)

    async def preview(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        model: str | None = None,
        system_prompt: str | None = None,
        query: str | None = None,
        options: WindowOptions = NO_OPTIONS,
    ) -> Window:
        """What the model would be shown if `query` were said now (`None`: to answer what is there), without a call.

        `system_prompt` and `options` as in `NewTurn`. Raises what a turn would.
        """
        if query is not None:
            self._conversations.checked_message(_unsaid(query))
        if system_prompt is not None:
            system_prompt = self._conversations.checked_prompt(system_prompt)

        def work(tx: Tx) -> WindowRequest:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            check_free(conversation, model=model, system_prompt=system_prompt)
            if system_prompt is not None:
                conversation = replace(conversation, system_prompt=system_prompt)
            return WindowRequest(
                conversation=conversation,
                card=self._llm.card(model or conversation.model),
                sampling=Sampling(),
                options=options,
                newest=self._assemble.first_page(tx, conversation),
                query=query,
            )

        wanted = await self._database.read(work)
        return as_shown(wanted.conversation, await self._assemble.window(wanted))

    async def list_of(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        state: TurnState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Turn]:
        """The conversation's turns, newest first, those in line included. Two statements."""
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        limit = checked_limit(limit)

        def work(tx: Tx) -> list[Turn]:
            self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            return self._repo.list_of(tx, conversation_id, state=state, cursor=at, count=limit + 1)

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def list_live(self, *, limit: int = 100) -> list[Turn]:
        """Everybody's turns that run or wait in line, oldest first: for who looks after the service."""
        return await self._database.read(lambda tx: self._repo.list_live(tx, count=checked_limit(limit)))

    async def list_live_of(self, owner_id: UserId) -> list[Turn]:
        """One person's turns that run or wait in line, oldest first."""
        return await self._database.read(lambda tx: self._repo.list_live(tx, count=MOST_PER_PAGE, owner_id=owner_id))

    async def wait(self, turn: Turn) -> TurnDetail:
        """How `turn` ended, as soon as it has."""
        async with aclosing(self.follow(turn)) as events:
            async for event in events:
                if isinstance(event, TurnEnded):
                    return event.detail
        raise AssertionError("a stream ends with TurnEnded")

    def follow(self, turn: Turn, *, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """`TurnStarted`, the reply's text after offset `after`, what comes, `TurnEnded`: at any time, by anybody.

        `turn` was given out by this service, so its owner is known.
        """
        is_transcript = turn.sampling.tools is not None
        return told(self._watch.follow(turn), after=after) if is_transcript else self._watch.follow(turn, after=after)

    async def cancel(self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId) -> TurnDetail:
        """Stop a turn, wherever it runs, and keep the beginning of its reply.

        Idempotent: a finished turn is returned as it is. One that waits in line leaves it.
        """
        detail = await self.get(conversation_id, turn_id, owner_id=owner_id)
        turn = detail.turn
        if turn.state is TurnState.QUEUED:
            if await self._database.write(lambda tx: self._line.leave(tx, turn)):
                self._meter.note_never_begun(replace(turn, state=TurnState.CANCELLED))
            await self._signals.publish(turn_topic(turn.id))
            turn = (await self.get(conversation_id, turn_id, owner_id=owner_id)).turn
        if is_final(turn.state):
            return await self.get(conversation_id, turn_id, owner_id=owner_id)
        await self._stop(turn.id, TurnState.CANCELLED)
        return await self.wait(turn)

    # ── inside ──

    async def _enter(self, new: NewTurn) -> Turn:
        policy = new.on_busy
        if policy is None:
            try:
                return await self._admitted(new, BusyPolicy.REJECT)
            except TurnInProgressError:
                policy = await self._policy_of(new)
                if policy is BusyPolicy.REJECT:
                    raise
        for _ in range(INTERRUPT_TRIES if policy is BusyPolicy.INTERRUPT else 0):
            try:
                return await self._admitted(new, policy)
            except TurnInProgressError as busy:
                await self._interrupt(busy.turn_id)
        return await self._admitted(new, policy)

    async def _policy_of(self, new: NewTurn) -> BusyPolicy:
        conversation = await self._conversations.get(new.conversation_id, owner_id=new.owner_id)
        return conversation.on_busy or BusyPolicy(self._settings.on_busy)

    async def _admitted(self, new: NewTurn, policy: BusyPolicy) -> Turn:
        try:
            with self._meter.step("turn.admit") as span:
                admission = await self._admit(new, lease=self._runner.lease, policy=policy)
                self._meter.note_whose(span, admission.turn)
        except OverBudgetError as refused:
            await self._budgets.tell_of_refusal(refused)
            raise
        if admission.run is not None:
            self._runner.run(admission.run)
        elif admission.turn.state is TurnState.QUEUED:
            self._runner.look_after_line(admission.turn.conversation_id)
        crash_point("submit.before_acknowledgement")
        return admission.turn

    async def _interrupt(self, turn_id: TurnId | None) -> None:
        turn = None if turn_id is None else await self._database.read(lambda tx: self._repo.find(tx, turn_id))
        if turn is not None:
            await self._stop(turn.id, TurnState.INTERRUPTED)
            await self.wait(turn)

    async def _stop(self, turn_id: TurnId, state: TurnState) -> None:
        if run := self._runner.find(turn_id):
            run.stop(state)
        else:
            holder = await self._database.write(lambda tx: self._repo.request_stop(tx, turn_id, state))
            if holder is not None:
                await self._signals.publish(process_topic(holder))

    def _owned(self, tx: Tx, conversation_id: ConversationId, turn_id: TurnId, owner_id: UserId) -> Turn:
        turn = self._repo.find(tx, TurnId(parse_id(turn_id)))
        if turn is None or turn.conversation_id != conversation_id or turn.owner_id != owner_id:
            self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            raise TurnNotFoundError(turn_id)
        return turn

    def _detail(self, tx: Tx, conversation_id: ConversationId, turn_id: TurnId, owner_id: UserId) -> TurnDetail:
        return self._with_reply(tx, self._owned(tx, conversation_id, turn_id, owner_id))

    def _ended(self, tx: Tx, turn: Turn) -> TurnDetail:
        """Of a turn as it has ended, or of one that must have been deleted: that raises."""
        if is_final(turn.state):
            return self._with_reply(tx, turn)
        return self._detail(tx, turn.conversation_id, turn.id, turn.owner_id)

    def _with_reply(self, tx: Tx, turn: Turn) -> TurnDetail:
        return TurnDetail(
            turn=turn,
            reply=self._conversations.find_message(tx, turn.conversation_id, turn.reply_message_id),
            attempts=tuple(self._llm.attempts_of(tx, turn.id)),
        )


def _unsaid(query: str) -> NewMessage:
    return NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=query)
