"""What one can ask about spending."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.insights.cost.errors import BadPeriodError, CostForbiddenError
from conversation_engine.insights.cost.repo import CostRepo
from conversation_engine.insights.cost.settings import CostSettings
from conversation_engine.insights.cost.types import MOST_GROUPS, CostGroup, CostQuestion, CostReport, Spending
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, UserId, parse_id
from conversation_engine.kernel.money import exact_dollars
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.kernel.text import check_sought

DEFAULT_PERIOD: Final = timedelta(days=30)


class CostService:
    """The door to cost reports. Reads only."""

    def __init__(self, database: Database, *, clock: Clock, settings: CostSettings) -> None:
        self._database = database
        self._clock = clock
        self._target = settings.conversation_cost_target_dollars
        self._repo = CostRepo()

    def question(
        self,
        by: CostGroup,
        *,
        user_id: UserId | None,
        conversation_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 100,
    ) -> CostQuestion:
        """A question that can be asked: a period that is left out is the 30 days up to now.

        Raises BadPeriodError, InvalidInputError, InvalidTextError or InvalidIdError.
        """
        if not 1 <= limit <= MOST_GROUPS:
            raise InvalidInputError(f"`limit` is {limit}; it must be between 1 and {MOST_GROUPS}.", field="limit")
        check_sought(user_id=user_id)
        start, end = self._period(start, end)
        return CostQuestion(
            by=by,
            user_id=user_id,
            conversation_id=None if conversation_id is None else ConversationId(parse_id(conversation_id)),
            start=start,
            end=end,
            limit=limit,
        )

    async def report(self, question: CostQuestion, *, asked_by: Principal) -> CostReport:
        """What was spent. Three statements on one snapshot, O(model calls in the period).

        Raises CostForbiddenError for anybody's spending but the asker's own, unless an administrator asks.
        """
        if asked_by.role is not Role.ADMIN and question.user_id != asked_by.user_id:
            raise CostForbiddenError
        return await self._database.read(lambda tx: self._report(tx, question))

    def _report(self, tx: Tx, question: CostQuestion) -> CostReport:
        rows = list(self._repo.groups(tx, question))
        if question.by is CostGroup.DAY:
            rows.reverse()
        total = self._repo.total(tx, question)
        conversations = self._repo.conversations(tx, question, target=self._target)
        return CostReport(
            question=question,
            total=total,
            rows=rows,
            rest=reduce(Spending.minus, (row.spending for row in rows), total),
            conversations=conversations,
            target=self._target,
            average=_average(total.cost, conversations.count),
        )

    def _period(self, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
        try:
            if end is None:
                end = max(self._clock.now(), start) if start else self._clock.now()
                end += timedelta(microseconds=1)  # calls made at this very moment are included
            start = start or end - DEFAULT_PERIOD
            is_sound = start < end
        except (TypeError, OverflowError) as error:  # one of them names no time zone, or no year that can be
            raise BadPeriodError from error
        if not is_sound:
            raise BadPeriodError
        return start, end


def _average(cost: Decimal, count: int) -> Decimal | None:
    return exact_dollars(cost / count) if count else None
