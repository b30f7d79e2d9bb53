"""Conversations in which nothing has happened for as long as the rules say are erased, by any process."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.people.records.repo import RecordRepo
from conversation_engine.people.records.service import RecordService
from conversation_engine.people.records.types import OldConversations, Swept

LOOKED_AT_ONCE: Final = 1000
SWEEP_SECONDS: Final = 6 * 3600.0
"""A look goes through all conversations, a thousand in a few milliseconds: nothing that should be done every minute."""
_log = get_logger(__name__)


class RetentionService:
    """Erases what is old. Many may do it at once: each conversation is looked at again in its own transaction."""

    def __init__(
        self,
        database: Database,
        *,
        records: RecordService,
        jobs: JobQueue,
        clock: Clock,
        days: Mapping[str, float],
        is_at_work: bool,
    ) -> None:
        """`days` by type, see `RetentionSettings`; `is_at_work`: whether this process does it by itself."""
        self._database = database
        self._records = records
        self._jobs = jobs
        self._clock = clock
        self._days = days
        self._repo = RecordRepo()
        self.chore = Chore("retention", self.sweep, seconds=SWEEP_SECONDS if days and is_at_work else 0)

    async def sweep(
        self, days: Mapping[str, float] | None = None, *, actor_id: UserId | None = None, is_tried_only: bool = False
    ) -> Swept:
        """Erase what is older than the rules, or `days`, say; or only count it. A short transaction a conversation."""
        now = self._clock.now()
        limits = {kind: now - timedelta(days=number) for kind, number in (days or self._days).items()}
        old = OldConversations(before=limits)
        count, rows, after = 0, Counter[str](), None
        while True:
            found, after = await self._database.read(
                lambda tx, after=after: self._repo.find_old(tx, old, after=after, count=LOOKED_AT_ONCE)  # type: ignore[misc]
            )
            for one in found:
                erased = {} if is_tried_only else await self._erase(one.id, old, actor_id)
                count += is_tried_only or bool(erased)
                rows.update(erased)
            if after is None:
                break
        if count and not is_tried_only:
            self._jobs.wake()
            _log.info("conversations.erased", conversations=count)
        return Swept(conversations=count, rows=dict(rows))

    async def _erase(
        self, conversation_id: ConversationId, old: OldConversations, actor_id: UserId | None
    ) -> Mapping[str, int]:
        def work(tx: Tx) -> Mapping[str, int]:
            if not self._repo.is_old(tx, conversation_id, old):
                return {}
            return self._records.remove(tx, conversation_id, actor_id=actor_id)

        return await self._database.write(work)
