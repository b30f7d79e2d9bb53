"""Every query of statistics.

A conversation's own row changes with all that is said and called in it, so that it tells whether its sums still hold.
Those of conversations that changed since (`list_changed`) are worked out anew by the statements that ask.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Row,
    Select,
    Subquery,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.domains.feedback.models import FeedbackModel
from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import is_one_of, json_number, json_word, utc_day
from conversation_engine.insights.statistics.models import ConversationDayModel, ConversationFoldModel
from conversation_engine.insights.statistics.types import (
    LENGTHS,
    DayRow,
    Group,
    Lengths,
    Opinions,
    Period,
    Returns,
    Scope,
    Sums,
)
from conversation_engine.kernel.ids import ConversationId

_talks = ConversationModel.__table__
_messages = MessageModel.__table__
_calls = LlmRequestModel.__table__
_feedback = FeedbackModel.__table__
_folds = ConversationFoldModel.__table__
_days = ConversationDayModel.__table__

LONGEST_PROCESSING_MS: Final = 86_400_000
"""People write into metadata what they like: a day is no processing time any more."""
_SUMS: Final = tuple(field.name for field in fields(Sums))
_SEEN: Final = ("updated_at", "last_sequence", "message_count", "input_tokens", "output_tokens", "cost")


def _one(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    whole = conditions[0]
    for condition in conditions[1:]:
        whole = whole & condition
    return case((whole, 1), else_=0)


_meta = _messages.c.metadata
_IS_REPLY = _messages.c.role == "assistant"
_IS_LOOKUP = _IS_REPLY & json_word(_meta, "is_answerable").in_(("true", "false"))
_milliseconds = json_number(_meta, "processing_time_ms")
_IS_TIMED = _milliseconds.between(0, LONGEST_PROCESSING_MS)
_IS_DONE = _calls.c.status == "completed"
_OF_MESSAGES: Final[dict[str, ColumnElement[Any]]] = {
    "user_messages": _one(_messages.c.role == "user"),
    "replies": _one(_IS_REPLY),
    "partial_replies": _one(_IS_REPLY, _messages.c.status == "partial"),
    "fallback_replies": _one(_IS_REPLY, _messages.c.is_fallback),
    "lookups": _one(_IS_LOOKUP),
    "lookups_found": _one(_IS_LOOKUP, json_word(_meta, "search_results", "0", "id").is_not(None)),
    "lookups_answerable": _one(_IS_LOOKUP, json_word(_meta, "is_answerable") == "true"),
    "lookups_cited": _one(_IS_LOOKUP, json_number(_meta, "citations", "0").is_not(None)),
    "lookups_misquoted": _one(_IS_LOOKUP, json_number(_meta, "unknown_citations", "0").is_not(None)),
    "lookup_cache_hits": _one(_IS_LOOKUP, json_word(_meta, "cache", "query_embedding") == "hit"),
    "lookup_cache_misses": _one(_IS_LOOKUP, json_word(_meta, "cache", "query_embedding") == "miss"),
    "timed_messages": _one(_IS_TIMED),
    "processing_us": case((_IS_TIMED, cast(func.round(_milliseconds * 1000), BigInteger)), else_=0),
}
_OF_CALLS: Final[dict[str, ColumnElement[Any]]] = {
    "calls": literal(1),
    "failed_calls": _one(_calls.c.status == "failed"),
    "cancelled_calls": _one(_calls.c.status == "cancelled"),
    "cache_hit_calls": _one(_calls.c.cached_tokens > 0),
    "input_tokens": func.coalesce(_calls.c.input_tokens, 0),
    "cached_tokens": func.coalesce(_calls.c.cached_tokens, 0),
    "output_tokens": func.coalesce(_calls.c.output_tokens, 0),
    "cost": func.coalesce(_calls.c.cost, 0, type_=BigInteger),
    "latency_ms": case((_IS_DONE, _calls.c.latency_ms), else_=0),
    "first_tokens": _one(_IS_DONE, _calls.c.first_token_ms.is_not(None)),
    "first_token_ms": case((_IS_DONE, func.coalesce(_calls.c.first_token_ms, 0)), else_=0),
    "under_1s": _one(_IS_DONE, _calls.c.latency_ms < 1000),
    "under_3s": _one(_IS_DONE, _calls.c.latency_ms.between(1000, 2999)),
    "under_10s": _one(_IS_DONE, _calls.c.latency_ms.between(3000, 9999)),
    "under_30s": _one(_IS_DONE, _calls.c.latency_ms.between(10_000, 29_999)),
}
_MONEY = _calls.c.cost.type
_CHANGED: Final = or_(
    _folds.c.conversation_id.is_(None), *(_folds.c[name].is_distinct_from(_talks.c[name]) for name in _SEEN)
)


def _summed(table: FromClause, worked_out: dict[str, ColumnElement[Any]]) -> Select[Any]:
    sums = [
        (func.sum(cast(worked_out[name], BigInteger)) if name in worked_out else literal(0, BigInteger)).label(name)
        for name in _SUMS
    ]
    day = utc_day(table.c.created_at).label("day")
    chosen = is_one_of(table.c.conversation_id, "changed")
    return select(table.c.conversation_id, day, *sums).where(chosen).group_by(table.c.conversation_id, day)


_NEW: Final = (_summed(_messages, _OF_MESSAGES), _summed(_calls, _OF_CALLS))
_parts = union_all(*_NEW).subquery()
_fold_sums = [cast(func.sum(_parts.c[name]), BigInteger).label(name) for name in _SUMS]
_FOLD: Final = insert(_days).from_select(
    ["conversation_id", "day", *_SUMS],
    select(_parts.c.conversation_id, _parts.c.day, *_fold_sums)
    .join(_talks, _talks.c.id == _parts.c.conversation_id)
    .group_by(_parts.c.conversation_id, _parts.c.day),
)


class StatisticsRepo:
    """Reads conversations, messages, model calls and feedback; writes `conversation_days` and `conversation_folds`."""

    # ── keeping sums ──

    def list_changed(self, tx: Tx, scope: Scope, *, count: int | None = None) -> Sequence[ConversationId]:
        """Conversations whose sums are missing or do not hold any more. O(conversations of the scope)."""
        joined = _talks.outerjoin(_folds, _folds.c.conversation_id == _talks.c.id)
        query = select(_talks.c.id).select_from(joined).where(_CHANGED, *_within(scope))
        return list(tx.scalars(query if count is None else query.order_by(_talks.c.id).limit(count)))

    def fold(self, tx: Tx, changed: Sequence[ConversationId]) -> None:
        """Add these up. How they are now is noted first: what is said meanwhile makes the sums too young, never wrong.

        Raises ConstraintViolation where another process is at the same, or one was deleted meanwhile.
        """
        these = {"changed": changed}
        seen = [_talks.c[name] for name in _SEEN]
        noted = select(_talks.c.id, *seen).where(is_one_of(_talks.c.id, "changed"))
        tx.execute(delete(_folds).where(is_one_of(_folds.c.conversation_id, "changed")), these)
        tx.execute(insert(_folds).from_select(["conversation_id", *_SEEN], noted), these)
        tx.execute(delete(_days).where(is_one_of(_days.c.conversation_id, "changed")), these)
        tx.execute(_FOLD, these)

    def forget(self, tx: Tx) -> None:
        """Throw every sum away."""
        tx.execute(delete(_folds))
        tx.execute(delete(_days))

    # ── asking; `changed` is what `list_changed` says on the same snapshot ──

    def groups(self, tx: Tx, scope: Scope) -> Sequence[tuple[str, str, Group]]:
        """Conversations by type and status."""
        totals = (
            func.count().label("conversations"),
            func.sum(_talks.c.message_count).label("messages"),
            func.sum(_talks.c.input_tokens).label("input_tokens"),
            func.sum(_talks.c.output_tokens).label("output_tokens"),
            func.sum(_talks.c.cost, type_=_MONEY).label("cost"),
        )
        query = select(_talks.c.type, _talks.c.status, *totals).where(*_within(scope))
        rows = tx.execute(query.group_by(_talks.c.type, _talks.c.status).order_by(_talks.c.type, _talks.c.status))
        return [(row.type, row.status, _group(row)) for row in rows]

    def lengths(self, tx: Tx, scope: Scope) -> Lengths:
        """How many conversations have how many messages."""
        size, (short, middle, long) = _talks.c.message_count, LENGTHS
        classes = (size.between(1, short), size.between(short + 1, middle), size.between(middle + 1, long), size > long)
        query = select(*(func.count(case((one, 1))) for one in classes), func.max(size)).where(*_within(scope))
        row = tx.execute(query).one()
        return Lengths(counts=(row[0], row[1], row[2], row[3]), longest=row[4] or 0)

    def started(self, tx: Tx, scope: Scope, period: Period) -> dict[str, int]:
        """How many conversations were begun on which day."""
        day = utc_day(_talks.c.created_at).label("day")
        query = select(day, func.count().label("started")).where(*_within(scope), *_in(day, period)).group_by(day)
        return {row.day: row.started for row in tx.execute(query)}

    def by_day(self, tx: Tx, scope: Scope, period: Period, changed: Sequence[ConversationId]) -> Sequence[DayRow]:
        """The days on which something was said or called, oldest first."""
        facts = _facts(scope, period)
        has_said = facts.c.user_messages > 0
        talks = func.count(case((has_said, facts.c.conversation_id)).distinct()).label("talks")
        people = func.count(case((has_said, facts.c.owner_id)).distinct()).label("people")
        query: Select[Any] = select(facts.c.day, *_sums(facts), talks, people)
        query = query.group_by(facts.c.day).order_by(facts.c.day)
        return [
            DayRow(day=row.day, started=0, conversations=row.talks, people=row.people, sums=_sums_of(row))
            for row in tx.execute(query, {"changed": changed})
        ]

    def total(self, tx: Tx, scope: Scope, period: Period, changed: Sequence[ConversationId]) -> Sums:
        """All days together."""
        row: Row[Any] = tx.execute(select(*_sums(_facts(scope, period))), {"changed": changed}).one()
        return _sums_of(row)

    def returns(self, tx: Tx, scope: Scope, period: Period, changed: Sequence[ConversationId]) -> Returns:
        """Who came back."""
        facts = _facts(scope, period)
        days = func.count(facts.c.day.distinct()).label("days")
        talks = func.count(facts.c.conversation_id.distinct()).label("talks")
        each = (
            select(facts.c.owner_id, days, talks).where(facts.c.user_messages > 0).group_by(facts.c.owner_id).subquery()
        )
        row = tx.execute(
            select(func.count(), func.count(case((each.c.days > 1, 1))), func.sum(each.c.days), func.sum(each.c.talks)),
            {"changed": changed},
        ).one()
        return Returns(people=row[0], returned=row[1], days=int(row[2] or 0), conversations=int(row[3] or 0))

    def opinions(self, tx: Tx, scope: Scope, period: Period) -> Opinions:
        """Feedback that was given."""
        verdict, rated = _feedback.c.verdict, _feedback.c.rating
        up, down = (func.count(case((verdict == word, 1))) for word in ("up", "down"))
        stars = [func.count(case((rated == number, 1))) for number in range(1, 6)]
        joined = _feedback.join(_talks, _talks.c.id == _feedback.c.conversation_id)
        query = select(func.count(), up, down, *stars).select_from(joined)
        row = tx.execute(query.where(*_within(scope), *_in(utc_day(_feedback.c.created_at), period))).one()
        return Opinions(count=row[0], up=row[1], down=row[2], ratings=(row[3], row[4], row[5], row[6], row[7]))

    def errors(self, tx: Tx, scope: Scope, period: Period, *, count: int) -> Sequence[tuple[str, int]]:
        """Codes of failed calls, the most frequent first."""
        code = func.coalesce(_calls.c.error_code, "model_failed").label("code")
        day, number = utc_day(_calls.c.created_at), func.count().label("number")
        query = (
            select(code, number)
            .select_from(_calls.join(_talks, _talks.c.id == _calls.c.conversation_id))
            .where(_calls.c.status == "failed", *_within(scope), *_in(day, period))
            .group_by(code)
            .order_by(number.desc(), code)
            .limit(count)
        )
        return [(row.code, row.number) for row in tx.execute(query)]


def _within(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    wanted = ((_talks.c.owner_id, scope.owner_id), (_talks.c.supervisor_id, scope.supervisor_id))
    return tuple(column == value for column, value in wanted if value is not None)


def _in(day: ColumnElement[str], period: Period) -> tuple[ColumnElement[bool], ...]:
    return day >= period.start.isoformat(), day < period.end.isoformat()


def _facts(scope: Scope, period: Period) -> Subquery:
    """Sums by conversation and day: those that are kept, and those of what changed since.

    The scope is said inside: SQLite would work all of a union out before it joined anything to it.
    """
    kept = [cast(_days.c[name], BigInteger).label(name) for name in _SUMS]
    parts = [
        select(_days.c.conversation_id, _days.c.day, *kept, _talks.c.owner_id)
        .select_from(_talks.join(_days, _days.c.conversation_id == _talks.c.id))
        .where(~is_one_of(_days.c.conversation_id, "changed"), *_within(scope), *_in(_days.c.day, period))
    ]
    for new in (part.subquery() for part in _NEW):
        joined = new.join(_talks, _talks.c.id == new.c.conversation_id)
        columns = (*new.c, _talks.c.owner_id)
        parts.append(select(*columns).select_from(joined).where(*_within(scope), *_in(new.c.day, period)))
    return union_all(*parts).subquery()


def _sums(facts: Subquery) -> tuple[ColumnElement[Any], ...]:
    return tuple(
        (func.sum(facts.c[name], type_=_MONEY) if name == "cost" else func.sum(facts.c[name])).label(name)
        for name in _SUMS
    )


def _group(row: Row[Any]) -> Group:
    return Group(
        conversations=row.conversations,
        messages=int(row.messages),
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        cost=row.cost,
    )


def _sums_of(row: Row[Any]) -> Sums:
    """Sums of nothing are NULL, and PostgreSQL's sums of integers are decimals."""
    found = row._mapping
    counted = {name: int(found[name] or 0) for name in _SUMS if name != "cost"}
    return Sums(cost=found["cost"] or Sums().cost, **counted)
