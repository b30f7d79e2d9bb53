"""Every query about spending."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, select

from conversation_engine.domains.conversations.models import ConversationModel
from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.domains.llm.types import NO_CONVERSATION, UsageSource
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import utc_day
from conversation_engine.insights.cost.types import ConversationCosts, CostGroup, CostQuestion, CostRow, Spending

_calls = LlmRequestModel.__table__
_conversations = ConversationModel.__table__

_MONEY: Final = _calls.c.cost.type


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


_cost = func.sum(_calls.c.cost, type_=_MONEY)
_SPENDING: Final[tuple[ColumnElement[Any], ...]] = (
    func.count().label("calls"),
    func.sum(_calls.c.input_tokens).label("input_tokens"),
    func.sum(_calls.c.cached_tokens).label("cached_tokens"),
    func.sum(_calls.c.cache_write_tokens).label("cache_write_tokens"),
    func.sum(_calls.c.output_tokens).label("output_tokens"),
    func.sum(_calls.c.reasoning_tokens).label("reasoning_tokens"),
    _cost.label("cost"),
    _count(_calls.c.usage_source == UsageSource.ESTIMATED.value).label("estimated_calls"),
    _count(_calls.c.cost.is_(None) & _calls.c.usage_source.is_not(None)).label("unpriced_calls"),
    _count(_calls.c.cost.is_(None) & _calls.c.usage_source.is_(None)).label("uncounted_calls"),
)
_KEYS: Final[dict[CostGroup, ColumnElement[Any]]] = {
    CostGroup.USER: _calls.c.owner_id,
    CostGroup.MODEL: _calls.c.provider + "/" + _calls.c.model,
    CostGroup.CONVERSATION: _calls.c.conversation_id,
    CostGroup.TYPE: _conversations.c.type,
    CostGroup.DAY: utc_day(_calls.c.created_at),
}


class CostRepo:
    """Sums over `llm_requests`: O(calls in the period) of one user, one conversation, or everybody."""

    def total(self, tx: Tx, question: CostQuestion) -> Spending:
        """All of it."""
        return _spending(tx.execute(_asked(select(*_SPENDING), question)).one())

    def groups(self, tx: Tx, question: CostQuestion) -> Sequence[CostRow]:
        """The dearest groups, or the newest days; at most `question.limit`."""
        key = _KEYS[question.by].label("key")
        query = _asked(select(key, *_SPENDING), question)
        if question.by is CostGroup.TYPE:
            query = query.outerjoin(_conversations, _conversations.c.id == _calls.c.conversation_id)
        order = (key.desc(),) if question.by is CostGroup.DAY else (func.coalesce(_cost, 0).desc(), key)
        rows = tx.execute(query.group_by(key).order_by(*order).limit(question.limit))
        return [CostRow(key=row.key, spending=_spending(row)) for row in rows]

    def conversations(self, tx: Tx, question: CostQuestion, *, target: Decimal) -> ConversationCosts:
        """How many conversations there were, and how many went over `target`."""
        talks = select(_cost.label("cost")).where(_calls.c.conversation_id != NO_CONVERSATION)
        each = _asked(talks, question).group_by(_calls.c.conversation_id).subquery()
        row = tx.execute(
            select(
                func.count().label("conversations"),
                _count(each.c.cost > literal(target, _MONEY)).label("over"),
                func.max(each.c.cost, type_=_MONEY).label("highest"),
            )
        ).one()
        return ConversationCosts(count=row.conversations, over_target=row.over, highest=row.highest or Decimal(0))


def _asked(query: Select[Any], question: CostQuestion) -> Select[Any]:
    query = query.select_from(_calls).where(_calls.c.created_at >= question.start, _calls.c.created_at < question.end)
    if question.user_id is not None:
        query = query.where(_calls.c.owner_id == question.user_id)
    if question.conversation_id is not None:
        query = query.where(_calls.c.conversation_id == question.conversation_id)
    return query


def _spending(row: Row[Any]) -> Spending:
    """Sums of nothing are NULL, and PostgreSQL's sums of integers are decimals."""
    return Spending(
        calls=row.calls,
        input_tokens=int(row.input_tokens or 0),
        cached_tokens=int(row.cached_tokens or 0),
        cache_write_tokens=int(row.cache_write_tokens or 0),
        output_tokens=int(row.output_tokens or 0),
        reasoning_tokens=int(row.reasoning_tokens or 0),
        cost=row.cost or Decimal(0),
        estimated_calls=row.estimated_calls,
        unpriced_calls=row.unpriced_calls,
        uncounted_calls=row.uncounted_calls,
    )
