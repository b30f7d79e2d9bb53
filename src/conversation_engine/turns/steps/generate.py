"""The model's answer, as it is said."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.turns.call_books import CallBooks
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.types import MOST_ATTEMPTS, Turn

_log = get_logger(__name__)


class _NotOursError(Exception):
    """Rolls back what was written for a turn that is somebody else's now."""


class GenerateStep:
    """Calls the model and lets the reply grow."""

    def __init__(
        self,
        database: Database,
        *,
        llm: LlmService,
        books: CallBooks,
        reply_log: ReplyLog,
        holder: str,
        on_broken: Literal["keep", "retry"],
    ) -> None:
        self._database = database
        self._llm = llm
        self._books = books
        self._reply_log = reply_log
        self._holder = holder
        self._on_broken = on_broken
        self._repo = TurnRepo()

    async def __call__(self, run: TurnRun) -> None:
        """Have the model answer. What went wrong stands in `run.error`, what was said in `run.live`.

        A reply that breaks in the middle is kept as it is, or begun anew where the settings say so: then watchers hear
        `turn.restarted`, and it costs one more short transaction.
        """
        first_attempt = run.attempts[-1].attempt + 1 if run.attempts else run.turn.attempt
        await self._generate(run, first_attempt=first_attempt)
        if self._is_worth_another(run) and await self._begin_anew(run):
            await self._generate(run, first_attempt=run.attempts[-1].attempt + 1)

    async def _generate(self, run: TurnRun, *, first_attempt: int) -> None:
        if run.stop_as is not None:
            return
        live, reply_log = run.live, self._reply_log

        def hear(text: str) -> None:
            live.append(text)
            reply_log.note(live)

        run.generation = asyncio.create_task(self._llm.answer(run.call(attempt=first_attempt), on_text=hear))
        await asyncio.wait([run.generation])
        if run.generation.cancelled():  # stopped before it had begun: no call was made
            return
        answer = run.generation.result()
        run.attempts += answer.attempts
        run.error = answer.error

    def _is_worth_another(self, run: TurnRun) -> bool:
        error = run.error
        is_broken = isinstance(error, ModelError) and error.is_transient and run.live.length > 0
        may_go_on = run.stop_as is None and not run.live.is_abandoned
        return self._on_broken == "retry" and is_broken and may_go_on and run.turn.attempt < MOST_ATTEMPTS

    async def _begin_anew(self, run: TurnRun) -> bool:
        """Attempt two begins with an empty reply; false when the turn is no longer ours."""
        broken = run.live
        await self._reply_log.settle(broken)
        again = replace(run.turn, attempt=run.turn.attempt + 1)
        try:
            await self._database.write(lambda tx: self._forget_reply(tx, again, run.attempts))
        except (_NotOursError, ConversationNotFoundError):
            return False
        run.kept_attempts = len(run.attempts)
        crash_point("generate.after_restart")
        _log.warning("turn.restarted", turn_id=again.id, attempt=again.attempt, characters=broken.length)
        run.turn, run.live, run.error = again, LiveReply(again.id, attempt=again.attempt), None
        broken.abandon()  # its watchers look into the store, find the new attempt, and come back
        return True

    def _forget_reply(self, tx: Tx, again: Turn, attempts: Sequence[Attempt]) -> None:
        """Its calls stay: this process may die before it ends the turn."""
        self._books.keep(tx, again, attempts)  # locks the conversation, and so comes before the turn
        if not self._repo.hold(tx, {again.id: again.attempt - 1}, holder=self._holder):
            raise _NotOursError
        self._repo.delete_checkpoints(tx, again.id)
        self._repo.begin_attempt(tx, again)
