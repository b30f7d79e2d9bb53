"""What becomes of model calls that are no turn's: on record once, whether or not their process lives to tell.

A call is written down when it begins, with what its prompt comes to. Who made it takes that away when it has ended;
where its process died, whoever finds it puts an estimate on record, as of a lost turn's call; and a process that was
only slow puts the truth in the estimate's place.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from conversation_engine.domains.conversations.types import Usage
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.limits.types import Amount
from conversation_engine.domains.llm.errors import ProcessLostError
from conversation_engine.domains.llm.lost import lost_call_id
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.begun_calls.repo import BegunCallRepo
from conversation_engine.turns.spending import spent_on, total_usage

GIVEN_UP_AT_ONCE: Final = 100


class CallRegister:
    """Calls in the name of a turn id of their own. Every method joins the caller's transaction.

    Where a conversation's totals are to grow by a call, its row is locked first: so nobody waits for the other twice.
    """

    def __init__(self, *, llm: LlmService, budgets: BudgetService) -> None:
        self._llm = llm
        self._budgets = budgets
        self._repo = BegunCallRepo()

    def begin(self, tx: Tx, presumed: Attempt, *, until: datetime) -> None:
        """A call is about to be made; `presumed` is what it comes to if nobody says `hold` or `put` before `until`.

        One statement.
        """
        self._repo.insert(tx, presumed, held_until=until)

    def hold(self, tx: Tx, calls_ids: Sequence[TurnId], *, until: datetime) -> None:
        """A sign of life for calls and for what was promised for them. Two statements at the most."""
        self._repo.hold(tx, calls_ids, until=until)
        if self._budgets.may_be_any:
            self._budgets.hold(tx, calls_ids, until=until)

    def put(self, tx: Tx, attempts: Sequence[Attempt], *, calls_id: TurnId) -> Usage:
        """The call that was begun has come to these; how much the books grow by it.

        One statement, and one a call.
        """
        owner_id = self._repo.delete(tx, calls_id)
        if owner_id is None:
            return self._put_late(tx, attempts, calls_id)
        for attempt in attempts:
            self._llm.record(tx, replace(attempt, owner_id=owner_id))
        return total_usage(attempts)

    def settle(self, tx: Tx, calls_id: TurnId) -> bool:
        """Nothing more is called in this name: what is on record takes the place of what was promised for it.

        Whether anything was. Two statements where budgets are, and one for each.
        """
        if not self._budgets.may_be_any:
            return False
        return self._budgets.settle(tx, calls_id, spent_on(self._llm.attempts_of(tx, calls_id)))

    def lost(self, tx: Tx, *, now: datetime) -> Sequence[Attempt]:
        """Calls that nobody holds any more, as they are presumed. One statement."""
        return self._repo.list_lost(tx, now=now, count=GIVEN_UP_AT_ONCE)

    def give_up(self, tx: Tx, lost: Attempt, *, calls_id: TurnId, now: datetime) -> Usage | None:
        """Put a lost call on record, and settle what was promised for it; `None`: somebody has, or it has ended."""
        owner_id = self._repo.give_up(tx, calls_id, now=now)
        if owner_id is None:
            return None
        self._llm.record(tx, replace(lost, owner_id=owner_id))
        if not self.settle(tx, calls_id) and self._budgets.may_be_any:
            self._budgets.amend(tx, calls_id, spent_on([lost]))
        return total_usage([lost])

    def _put_late(self, tx: Tx, attempts: Sequence[Attempt], calls_id: TurnId) -> Usage:
        """We were slow, and others thought us dead: the truth in the place of what they presumed. Idempotent."""
        known = {attempt.id: attempt for attempt in self._llm.attempts_of(tx, calls_id)}
        estimates = {one.id: one for one in known.values() if one.error_code == ProcessLostError.code}
        told = []
        for attempt in attempts:
            slot = lost_call_id(calls_id, attempt.attempt)
            if attempt.id in known or (slot in known and slot not in estimates):
                continue
            told.append(attempt)
            if slot in estimates:
                self._llm.correct(tx, replace(attempt, id=slot, counted=None))
            else:
                self._llm.record(tx, attempt)
        for slot in estimates.keys() - {lost_call_id(calls_id, attempt.attempt) for attempt in told}:
            self._llm.withdraw(tx, slot)
        more, less = spent_on(told), spent_on(list(estimates.values()))
        if self._budgets.may_be_any:
            difference = Amount(dollars=more.dollars - less.dollars, tokens=more.tokens - less.tokens)
            self._budgets.amend(tx, calls_id, difference)
        return _less(total_usage(told), total_usage(list(estimates.values())))


def _less(more: Usage, less: Usage) -> Usage:
    return Usage(
        input_tokens=more.input_tokens - less.input_tokens,
        output_tokens=more.output_tokens - less.output_tokens,
        cost=more.cost - less.cost,
    )
