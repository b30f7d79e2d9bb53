"""Has a prompt answered and keeps nothing of what was said."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Expected
from conversation_engine.domains.llm.errors import ContextTooLongError
from conversation_engine.domains.llm.service import LlmService, ModelCall
from conversation_engine.domains.llm.tokens import estimate_prompt, tools_tokens_for
from conversation_engine.domains.llm.types import Attempt, ModelCard
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId
from conversation_engine.kernel.windows import NO_OPTIONS
from conversation_engine.turns.begun_calls.service import CallRegister
from conversation_engine.turns.errors import ShuttingDownError
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.passing.run import PassingRun
from conversation_engine.turns.passing.types import Prompt
from conversation_engine.turns.runner import OnUsed
from conversation_engine.turns.settings import TurnSettings
from conversation_engine.turns.spending import total_usage
from conversation_engine.turns.telling import told
from conversation_engine.turns.types import Turn, TurnDetail, TurnEnded, TurnEvent, TurnStarted, TurnState

HELD_SECONDS: Final = 3600.0
"""From when on a call that has not ended is thought to have lost its process: longer than calls take."""
RECORDING_SECONDS = 1.0
"""How long calls that are ended with the process may take to be put on record."""
_log = get_logger(__name__)


class PassingService:
    """Asks the models that turns ask, under the same budgets and rates, for callers who keep their own history.

    What a call used and cost stays on record, under the id of a conversation that there never was. A caller who goes
    away ends the call: nobody else could ever read the answer.
    """

    def __init__(
        self,
        database: Database,
        *,
        llm: LlmService,
        budgets: BudgetService,
        clock: Clock,
        settings: TurnSettings,
        on_used: OnUsed | None = None,
        recorder: Recorder = SILENCE,
    ) -> None:
        """`on_used` hears of every turn that has ended, and how many tokens it took."""
        self._database = database
        self._llm = llm
        self._budgets = budgets
        self._register = CallRegister(llm=llm, budgets=budgets)
        self._clock = clock
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._on_used = on_used
        self._meter = TurnMeter(recorder)
        self._runs: dict[PassingRun, asyncio.Task[None]] = {}
        self._is_stopping = False

    @property
    def running_count(self) -> int:
        """How many run in this process. No I/O."""
        return len(self._runs)

    async def begin(self, prompt: Prompt) -> PassingRun:
        """Have it answered; `follow` it, or `wait`. One short transaction.

        Raises UnknownModelError, ModelCannotError, ContextTooLongError, OverBudgetError, UnknownPriceError,
        ShuttingDownError.
        """
        if self._is_stopping:
            raise ShuttingDownError
        card = self._llm.card(prompt.model)
        said = [message.content for message in prompt.messages if not isinstance(message.content, str)]
        self._llm.check_can(card, prompt.sampling, said)
        call = self._call(prompt, card)
        if call.input_tokens >= call.card.context_tokens:
            raise ContextTooLongError(f"about {call.input_tokens} tokens")
        await self._begin(call, prompt)
        live = LiveReply(call.turn_id, attempt=1)

        def hear(text: str) -> None:
            live.append(text)
            live.mark_durable(live.length)  # nothing is kept, so there is nothing to wait for

        run = PassingRun(
            turn=self._turn(prompt, call),
            live=live,
            generation=asyncio.create_task(self._llm.answer(call, on_text=hear), name=f"passing-{call.turn_id}"),
        )
        self._runs[run] = asyncio.create_task(self._drive(run), name=f"passing-end-{call.turn_id}")
        return run

    async def follow(self, run: PassingRun) -> AsyncGenerator[TurnEvent, None]:
        """`TurnStarted`, the reply's text as it comes, `TurnEnded`. Who stops following ends the call."""
        try:
            yield TurnStarted(turn=run.turn, offset=0)
            log = run.live.follow(0)
            async with aclosing(log if run.turn.sampling.tools is None else told(log)) as events:
                async for event in events:
                    yield event
        finally:
            run.stop()

    async def wait(self, run: PassingRun) -> TurnDetail:
        """How it ended. Cancelling this ends the call."""
        async with aclosing(self.follow(run)) as events:
            async for event in events:
                if isinstance(event, TurnEnded):
                    return event.detail
        raise AssertionError("a stream ends with TurnEnded")

    async def aclose(self) -> None:
        """End what runs and put it on record. Idempotent."""
        self._is_stopping = True
        for run in self._runs:
            run.stop()
        if self._runs:
            await asyncio.wait(self._runs.values(), timeout=RECORDING_SECONDS)

    def _call(self, prompt: Prompt, card: ModelCard) -> ModelCall:
        return ModelCall(
            conversation_id=ConversationId(new_id()),
            owner_id=prompt.owner_id,
            turn_id=TurnId(new_id()),
            attempt=1,
            card=card,
            messages=prompt.messages,
            sampling=prompt.sampling,
            input_tokens=estimate_prompt(card, prompt.messages) + tools_tokens_for(card, prompt.sampling),
            stable_messages=len(prompt.messages) - 1,
        )

    def _turn(self, prompt: Prompt, call: ModelCall) -> Turn:
        return Turn(
            id=call.turn_id,
            conversation_id=call.conversation_id,
            owner_id=prompt.owner_id,
            role=prompt.role,
            state=TurnState.RUNNING,
            attempt=1,
            model=call.card.name,
            system_prompt=prompt.instructions,
            sampling=prompt.sampling,
            window=NO_OPTIONS,
            reply_metadata=prompt.reply_metadata,
            retrieval=None,
            user_message_id=None,
            reply_message_id=MessageId(new_id()),
            error=None,
            created_at=self._clock.now(),
            finished_at=None,
        )

    async def _begin(self, call: ModelCall, prompt: Prompt) -> None:
        """Promise and write down, so that it is found if our process dies."""
        payers, now = payers_of(prompt.owner_id, prompt.role), self._clock.now()
        presumed = await asyncio.to_thread(self._llm.presumed, call, "", at=now)
        until = now + timedelta(seconds=HELD_SECONDS)

        def work(tx: Tx) -> None:
            if self._budgets.may_apply(payers):
                most = self._llm.most(call.card, call.sampling, input_tokens=call.input_tokens)
                expected = Expected(tokens=most.tokens, dollars=most.dollars)
                self._budgets.reserve(tx, call.turn_id, payers, expected, held_until=until)
            self._register.begin(tx, presumed, until=until)

        try:
            await self._database.write(work)
        except OverBudgetError as refused:
            await self._budgets.tell_of_refusal(refused)
            raise

    async def _drive(self, run: PassingRun) -> None:
        while not (await asyncio.wait([run.generation], timeout=self._heartbeat_seconds))[0]:
            run.live.tick()
        attempts = run.note_end()
        try:
            await self._database.write(lambda tx: self._record(tx, run.turn, attempts))
        except Exception as error:  # noqa: BLE001 - the caller has the answer, whatever the store says
            _log.exception("passing_turn.record_failed", turn_id=run.turn.id, error=type(error).__name__)
        detail = run.detail(attempts, at=self._clock.now())
        run.live.end(TurnEnded(detail=detail, offset=run.live.length))
        del self._runs[run]
        self._meter.note_passing(detail)
        _log.info("passing_turn.ended", turn_id=run.turn.id, state=detail.turn.state.value, model=run.turn.model)
        if self._on_used is not None:
            usage = total_usage(attempts)
            await self._on_used(run.turn, usage.input_tokens + usage.output_tokens)

    def _record(self, tx: Tx, turn: Turn, attempts: tuple[Attempt, ...]) -> None:
        self._register.put(tx, attempts, calls_id=turn.id)
        self._register.settle(tx, turn.id)
