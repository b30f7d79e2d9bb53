"""txₙ: the reply, what it cost and how the turn ended, committed before anybody is told."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    Content,
    Message,
    MessageRole,
    MessageStatus,
    NewMessage,
)
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import count_tokens
from conversation_engine.domains.llm.transcript import content_in
from conversation_engine.domains.llm.types import Attempt, UsageSource
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.turns.call_books import CallBooks, unknown
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.spending import TurnSpending, total_usage
from conversation_engine.turns.types import Lease, Turn, TurnDetail, TurnError, TurnState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a turn is to be recorded."""

    turn: Turn
    """As it was while running."""
    state: TurnState
    text: str
    """What was said; empty when nothing was."""
    attempts: tuple[Attempt, ...]
    """The model calls to put on record."""
    is_recovered: bool = False
    """Whether another process had the turn before."""
    lost: Attempt | None = None
    """What the call that such a process was at probably came to; `None`: it was at none."""
    error: TurnError | None
    manifest: dict[str, Any] | None
    window_start: int | None
    """Where the next window begins if that fits; `None` where there was no window."""
    is_checkpointed: bool
    """Whether pieces of `text` may be in the store, to be deleted now."""
    is_fallback: bool = False
    """Whether `text` stands in for a reply that no model could give."""
    holder: str
    """Who holds the lease: nobody else may end the turn."""
    findings: Mapping[str, Any] = field(default_factory=dict)
    """What the reply's metadata says of what was looked up."""
    title: str | None = None
    """For a conversation that nobody has named by then."""
    is_promised: bool
    """Whether the turn may have promised something to a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A turn that has ended."""

    detail: TurnDetail
    successor: TurnRun | None
    """The turn that was next in line and runs now."""


class _NotOursError(Exception):
    """Rolls back what was written for a turn that somebody else has ended."""


class RecordStep:
    """Ends a turn for good."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        line: TurnLine,
        spending: TurnSpending,
        books: CallBooks,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._clock = clock
        self._line = line
        self._spending = spending
        self._books = books
        self._repo = TurnRepo()

    async def __call__(self, ending: Ending, *, lease: Lease | None) -> Recorded | None:
        """Write everything in one short transaction: four statements, five if the reply was checkpointed.

        The next in line starts in it too, under `lease`, if given. `None` when the turn is gone or no longer the
        holder's; then its model calls are kept all the same, each once. Two statements more for a turn that was begun
        before.
        """
        with suppress(_NotOursError):
            return await self._database.write(lambda tx: self._record(tx, ending, lease))
        await self._database.write(lambda tx: self._keep_costs(tx, ending))
        return None

    def _record(self, tx: Tx, ending: Ending, lease: Lease | None) -> Recorded:
        # The conversation's row is locked before the turn's, as in tx₁: the other way round they deadlock.
        turn = replace(ending.turn, state=ending.state, error=ending.error, finished_at=self._clock.now())
        try:
            earlier = self._books.of_turn(tx, turn) if ending.is_recovered or turn.attempt > 1 else ()
            attempts = (*unknown(earlier, ending.lost), *ending.attempts)
            for attempt in attempts:
                self._llm.record(tx, attempt)
            reply = self._reply(tx, ending, attempts, last=[*earlier, *attempts][-1:])
        except (ConversationNotFoundError, ConstraintViolation) as error:  # deleted meanwhile, its turn with it
            raise _NotOursError from error
        finished = self._repo.finish(tx, turn, holder=ending.holder, manifest=ending.manifest)
        if finished is None:
            raise _NotOursError
        if ending.is_checkpointed:
            self._repo.delete_checkpoints(tx, turn.id)
        if ending.is_promised:
            self._spending.settle(tx, turn.id, (*earlier, *attempts))
        successor = None
        if finished.has_successor and lease is not None:
            successor = self._line.advance(tx, turn.conversation_id, lease=lease)
        crash_point("record.before_commit")
        return Recorded(
            detail=TurnDetail(turn=turn, reply=reply, attempts=(*earlier, *attempts)),
            successor=successor,
        )

    def _keep_costs(self, tx: Tx, ending: Ending) -> None:
        """Of a turn that was deleted meanwhile, or that somebody else has ended or goes on with."""
        if ending.is_recovered:
            self._books.tell_of_deleted(tx, ending.turn, ending.lost)
        else:
            self._books.tell_late(tx, ending.turn, ending.attempts)

    def _reply(self, tx: Tx, ending: Ending, attempts: Sequence[Attempt], *, last: Sequence[Attempt]) -> Message | None:
        turn, usage = ending.turn, total_usage(attempts)
        if not ending.text:
            self._conversations.add_usage(tx, turn.conversation_id, usage)
            return None
        _, message = self._conversations.append_reply(
            tx,
            turn.conversation_id,
            _message(ending, last[0] if last else None),
            owner_id=turn.owner_id,
            usage=usage,
        )
        return message


def _said(ending: Ending) -> Content:
    return ending.text if ending.turn.sampling.tools is None else content_in(ending.text)


def _message(ending: Ending, last: Attempt | None) -> NewMessage:
    """`last` is the call that said it."""
    if ending.is_fallback:
        return NewMessage(
            id=ending.turn.reply_message_id,
            role=MessageRole.ASSISTANT,
            content=ending.text,
            status=MessageStatus.FALLBACK,
            cost=Decimal(0),
            turn_id=ending.turn.id,
            parent_id=ending.turn.user_message_id,
            metadata={**ending.turn.reply_metadata, "fallback": True},
        )
    usage = last.usage if last and last.usage and last.usage.source is UsageSource.PROVIDER else None
    origin = {"provider": last.provider, "model": last.model} if last else {}
    return NewMessage(
        id=ending.turn.reply_message_id,
        role=MessageRole.ASSISTANT,
        content=_said(ending),
        status=MessageStatus.COMPLETE if ending.state is TurnState.COMPLETED else MessageStatus.PARTIAL,
        token_count=usage.output_tokens - usage.reasoning_tokens if usage else None,
        counted_tokens=count_tokens(ending.text),
        cost=last.cost if last and usage else None,
        turn_id=ending.turn.id,
        parent_id=ending.turn.user_message_id,
        llm_request_id=last.id if last else None,
        window_start=ending.window_start,
        conversation_title=ending.title,
        metadata={**ending.turn.reply_metadata, **origin, **ending.findings},
    )
