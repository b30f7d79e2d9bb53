"""What admins can ask about model calls."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.insights.calls.percentiles import median_and_95th
from conversation_engine.insights.calls.repo import CallRepo, Timing
from conversation_engine.insights.calls.types import FailedCall, FailureFilter, Pace, RecordedCall
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, UserId
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import check_sought

PACE_CALLS: Final = 5000
"""A percentile of more would cost memory and say the same."""


class CallService:
    """The door to how model calls went. Reads only."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repo = CallRepo()

    async def failures(
        self, caller: Principal, wanted: FailureFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[FailedCall]:
        """Failed calls, newest first. For admins. With a search O(calls), else O(failed calls).

        Raises InvalidTextError and InvalidCursorError.
        """
        require_role(caller, Role.ADMIN)
        check_sought(search=wanted.search, reason=wanted.code)
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        rows = await self._database.read(lambda tx: self._repo.list_failed(tx, wanted, cursor=at, count=limit + 1))
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def pace(self, caller: Principal, *, hours: int = 24) -> Sequence[Pace]:
        """How fast each model answered, busiest first. For admins. One statement, at most 5,000 rows."""
        require_role(caller, Role.ADMIN)
        since = self._clock.now() - timedelta(hours=hours)
        timings = await self._database.read(lambda tx: self._repo.timings(tx, since=since, count=PACE_CALLS))
        by_model: dict[str, list[Timing]] = defaultdict(list)
        for timing in timings:
            by_model[timing.model].append(timing)
        paces = [_pace(model, calls) for model, calls in by_model.items()]
        return sorted(paces, key=lambda pace: (-pace.calls, pace.model))

    # ── for other rooms: these join the caller's transaction, who has checked the owner ──

    def by_id(self, tx: Tx, call_ids: Collection[LlmRequestId]) -> dict[str, RecordedCall]:
        """Those of these calls that are on record, by id. One statement."""
        return {call.id: call for call in self._repo.list_by_id(tx, call_ids)}

    def made_in(
        self, tx: Tx, conversation_id: ConversationId, *, owner_id: UserId, after: str | None, count: int
    ) -> Sequence[RecordedCall]:
        """A conversation's calls, failed ones and those for titles and summaries too, oldest first. One statement."""
        return self._repo.list_of_conversation(tx, conversation_id, owner_id, after=after, count=count)


def _pace(model: str, calls: Sequence[Timing]) -> Pace:
    done = [call for call in calls if call.status == "completed"]
    return Pace(
        model=model,
        calls=len(calls),
        failed=sum(call.status == "failed" for call in calls),
        first_token_ms=median_and_95th([call.first_token_ms for call in done if call.first_token_ms is not None]),
        latency_ms=median_and_95th([call.latency_ms for call in done]),
    )
