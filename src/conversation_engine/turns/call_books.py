"""Which calls of a turn are on record, when more than one process may have something to say about it.

A call that a process was at when it was lost has an id of its own (`lost_call_id`): whoever finds the turn puts an
estimate there, once, and the lost process, should it turn out to be alive, puts what it really came to in its place.
Every method joins the caller's transaction and works under the lock of the conversation's row.
"""

from collections.abc import Sequence
from dataclasses import replace

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Usage
from conversation_engine.domains.llm.errors import ProcessLostError
from conversation_engine.domains.llm.lost import lost_call_id
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.db.database import Tx
from conversation_engine.turns.spending import TurnSpending, total_usage
from conversation_engine.turns.types import Turn


class CallBooks:
    """For the steps of a turn and for its recovery."""

    def __init__(self, *, conversations: ConversationService, llm: LlmService, spending: TurnSpending) -> None:
        self._conversations = conversations
        self._llm = llm
        self._spending = spending

    def of_turn(self, tx: Tx, turn: Turn) -> Sequence[Attempt]:
        """What is on record of it; nobody adds to it before `tx` ends. Raises ConversationNotFoundError."""
        self._conversations.hold(tx, turn.conversation_id, owner_id=turn.owner_id)
        return self._llm.attempts_of(tx, turn.id)

    def keep(self, tx: Tx, turn: Turn, attempts: Sequence[Attempt]) -> None:
        """Calls of a reply that is about to begin anew. Raises ConversationNotFoundError."""
        self._conversations.hold(tx, turn.conversation_id, owner_id=turn.owner_id)
        self._add(tx, turn, attempts, usage=total_usage(attempts))

    def keep_lost(self, tx: Tx, turn: Turn, lost: Attempt | None) -> None:
        """The call of a lost process whose turn goes on elsewhere: what it came to is promised beside what is to come.

        Raises ConversationNotFoundError or OverBudgetError.
        """
        known = self.of_turn(tx, turn)
        told = [attempt for attempt in known if attempt.id == lost_call_id(turn.id, turn.attempt)]
        missing = unknown(known, lost)
        self._add(tx, turn, missing, usage=total_usage(missing))
        self._spending.promise_more(tx, turn.id, [*told, *missing])

    def tell_late(self, tx: Tx, turn: Turn, attempts: Sequence[Attempt]) -> None:
        """The calls of a process that had lost its turn without knowing: the truth in the place of an estimate.

        Idempotent. Where the conversation is deleted, without a word of what was said in it.
        """
        is_there, known = self._known(tx, turn)
        slot = lost_call_id(turn.id, turn.attempt)
        estimates = [attempt for attempt in known if attempt.id == slot]
        ids = {attempt.id for attempt in attempts}
        is_told = any(one.error_code != ProcessLostError.code for one in estimates)
        if is_told or any(attempt.id in ids for attempt in known):
            return
        told = [*attempts[:-1], *(replace(last, id=slot, counted=None) for last in attempts[-1:])]
        self._add(tx, turn, told, usage=_less(told, estimates) if is_there else None, presumed=estimates)
        self._spending.amend(tx, turn.id, told, before=estimates)
        if not is_there:
            self._spending.settle(tx, turn.id, self._llm.attempts_of(tx, turn.id))

    def tell_of_deleted(self, tx: Tx, turn: Turn, lost: Attempt | None) -> None:
        """The call of a lost process whose conversation was deleted while its turn was being recovered. Idempotent."""
        is_there, known = self._known(tx, turn)
        if not is_there:
            self._add(tx, turn, unknown(known, lost), usage=None)
            self._spending.settle(tx, turn.id, self._llm.attempts_of(tx, turn.id))

    def _known(self, tx: Tx, turn: Turn) -> tuple[bool, Sequence[Attempt]]:
        try:
            return True, self.of_turn(tx, turn)
        except ConversationNotFoundError:
            return False, self._llm.attempts_of(tx, turn.id)

    def _add(
        self,
        tx: Tx,
        turn: Turn,
        attempts: Sequence[Attempt],
        *,
        usage: Usage | None,
        presumed: Sequence[Attempt] = (),
    ) -> None:
        """`usage` for the totals; `None`: there are none any more, and nothing of what was asked is kept."""
        old = {attempt.id for attempt in presumed}
        for attempt in attempts:
            kept = attempt if usage is not None else replace(attempt, parameters={}, error_cause=None)
            if kept.id in old:
                self._llm.correct(tx, kept)
            else:
                self._llm.record(tx, kept)
        for gone in old - {attempt.id for attempt in attempts}:
            self._llm.withdraw(tx, gone)
        if usage is not None:
            self._conversations.add_usage(tx, turn.conversation_id, usage)


def unknown(known: Sequence[Attempt], lost: Attempt | None) -> Sequence[Attempt]:
    """The call of a lost process, numbered after the others, unless something is on record of it already."""
    if lost is None or any(attempt.id == lost.id for attempt in known):
        return ()
    return (replace(lost, attempt=max((attempt.attempt for attempt in known), default=lost.attempt - 1) + 1),)


def _less(told: Sequence[Attempt], before: Sequence[Attempt]) -> Usage:
    more, less = total_usage(told), total_usage(before)
    return Usage(
        input_tokens=more.input_tokens - less.input_tokens,
        output_tokens=more.output_tokens - less.output_tokens,
        cost=more.cost - less.cost,
    )
