"""Every query of searching, but for the index itself: `infra.db.finding`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.finding import Terms, count_gone, find, forget_gone, kept_terms, put, search_text
from conversation_engine.infra.db.functions import is_one_of, upsert_into
from conversation_engine.infra.words.messages import said_in
from conversation_engine.insights.search.models import MessageTermsModel, SearchMarkModel, SearchReaderModel
from conversation_engine.insights.search.types import Reader, Said, SearchFilter, Spot, Term
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId

_talks = ConversationModel.__table__
_messages = MessageModel.__table__
_readers = SearchReaderModel.__table__
_marks = SearchMarkModel.__table__
_terms = MessageTermsModel.__table__
_THROUGH = func.coalesce(_marks.c.through, 0)
_BEHIND = _talks.c.last_sequence > _THROUGH
_SAID = (
    *(_messages.c[name] for name in ("id", "conversation_id", "sequence_number", "role", "content", "content_format")),
    _messages.c.created_at,
    *(_talks.c[name] for name in ("owner_id", "title", "type", "persona_id")),
)


class Lag(NamedTuple):
    """A conversation that is not in the index as a whole."""

    conversation_id: ConversationId
    owner_id: UserId
    supervisor_id: UserId | None
    through: int
    last_sequence: int


class Learned(NamedTuple):
    """A message as it goes into the index."""

    message_id: MessageId
    number: int
    readers: Collection[UserId]
    words: Sequence[str]
    stems: Sequence[str]


class SearchRepo:
    """Rows of `search_readers`, `search_marks` and `message_terms`; reads conversations and messages."""

    # ── searching ──

    def number_of(self, tx: Tx, user_id: UserId) -> int | None:
        """The number of somebody who may find something; `None`: nothing is in the index for them."""
        found: int | None = tx.scalar(select(_readers.c.number).where(_readers.c.owner_id == user_id))
        return found

    def find(
        self,
        tx: Tx,
        terms: Sequence[Term],
        *,
        number: int,
        reader: Reader,
        filters: Mapping[str, Any],
        is_best_first: bool,
        after: Spot | None,
        count: int,
    ) -> list[Spot]:
        """Where the index has all these terms, in order, behind `after`."""
        found = find(
            tx,
            search_text(tx, number, [(term.kind, term.words) for term in terms]),
            reader=(_column(reader).name, reader.user_id),
            is_best_first=is_best_first,
            filters=filters,
            after=None if after is None else (after.score, after.number),
            count=count,
        )
        return [Spot(number=number, score=score) for number, score in found]

    def said(self, tx: Tx, numbers: Collection[int]) -> dict[int, Said]:
        """What was said there."""
        joined = _terms.join(_messages, _messages.c.id == _terms.c.message_id)
        joined = joined.join(_talks, _talks.c.id == _messages.c.conversation_id)
        query = select(_terms.c.number, *_SAID).select_from(joined).where(_terms.c.number.in_(list(numbers)))
        return {row.number: _said(row) for row in tx.execute(query)}

    def list_new(self, tx: Tx, reader: Reader, wanted: SearchFilter, *, count: int) -> Sequence[Said]:
        """The newest messages that are not in the index, newest first. O(conversations of the reader).

        The conversations come first: PostgreSQL, which takes a third of them to be behind, would look for the newest
        messages of all.
        """
        joined = _talks.outerjoin(_marks, _marks.c.conversation_id == _talks.c.id)
        mine = _column(reader) == reader.user_id
        behind = list(tx.scalars(select(_talks.c.id).select_from(joined).where(_BEHIND, mine)))
        if not behind:
            return []
        after = (_messages.c.conversation_id == _talks.c.id) & (_messages.c.sequence_number > _THROUGH)
        query = select(*_SAID).select_from(joined.join(_messages, after))
        query = query.where(is_one_of(_talks.c.id, "behind"), mine, *_conditions(wanted))
        newest = query.order_by(_messages.c.id.desc()).limit(count)
        return [_said(row) for row in tx.execute(newest, {"behind": behind})]

    # ── keeping the index ──

    def list_lagging(self, tx: Tx, *, after: ConversationId | None, count: int) -> Sequence[Lag]:
        """Conversations behind `after` with messages that are not in the index, in order. O(conversations)."""
        joined = _talks.outerjoin(_marks, _marks.c.conversation_id == _talks.c.id)
        columns = (_talks.c.id, _talks.c.owner_id, _talks.c.supervisor_id, _THROUGH, _talks.c.last_sequence)
        query = select(*columns).select_from(joined).where(_BEHIND).order_by(_talks.c.id).limit(count)
        if after is not None:
            query = query.where(_talks.c.id > after)
        return [Lag(*row) for row in tx.execute(query)]

    def list_missing(self, tx: Tx, lagging: Sequence[Lag], *, count: int) -> Sequence[Said]:
        """The first messages of these that are not in the index, by conversation and sequence number."""
        joined = _talks.outerjoin(_marks, _marks.c.conversation_id == _talks.c.id)
        after = (_messages.c.conversation_id == _talks.c.id) & (_messages.c.sequence_number > _THROUGH)
        query = select(*_SAID).select_from(joined.join(_messages, after))
        query = query.where(_talks.c.id.in_([lag.conversation_id for lag in lagging]))
        ordered = query.order_by(_talks.c.id, _messages.c.sequence_number).limit(count)
        return [_said(row) for row in tx.execute(ordered)]

    def learn(self, tx: Tx, learned: Sequence[Learned], marks: Mapping[ConversationId, tuple[int, int]]) -> bool:
        """Put these into the index and move the marks, from and to; false where somebody else moved one.

        Raises ConstraintViolation where a message was deleted meanwhile, or another process is at the same.
        """
        for conversation_id, (before, through) in marks.items():
            if not self._move(tx, conversation_id, before, through):
                return False
        numbers = self._numbers(tx, {reader for one in learned for reader in one.readers})
        found = {
            one.message_id: Terms(number, sorted(numbers[who] for who in one.readers), one.words, one.stems)
            for one, number in zip(learned, self._free(tx, [one.number for one in learned]), strict=True)
        }
        if found:
            rows = [
                {"number": one.number, "message_id": message_id, "terms": kept_terms(tx, one)}
                for message_id, one in found.items()
            ]
            tx.execute(insert(_terms), rows)
            put(tx, list(found.values()))
        return True

    def count_gone(self, tx: Tx) -> int:
        """See `infra.db.finding.count_gone`."""
        return count_gone(tx)

    def forget_gone(self, tx: Tx, count: int) -> None:
        """See `infra.db.finding.forget_gone`."""
        forget_gone(tx, count)

    def _move(self, tx: Tx, conversation_id: ConversationId, before: int, through: int) -> bool:
        here = _marks.c.conversation_id == conversation_id
        if before:
            moved = update(_marks).where(here, _marks.c.through == before).values(through=through)
        else:
            row = {"conversation_id": conversation_id, "through": through}
            moved = upsert_into(tx, _marks).values(row).on_conflict_do_nothing()  # type: ignore[assignment]
        return tx.execute(moved).rowcount == 1

    def _numbers(self, tx: Tx, users: Collection[UserId]) -> dict[UserId, int]:
        """Those of these people; who has none gets one."""
        known = select(_readers.c.owner_id, _readers.c.number).where(_readers.c.owner_id.in_(list(users)))
        numbers = {row.owner_id: row.number for row in tx.execute(known)}
        if new := sorted(set(users) - set(numbers)):
            tx.execute(upsert_into(tx, _readers).on_conflict_do_nothing(), [{"owner_id": user} for user in new])
            numbers = {row.owner_id: row.number for row in tx.execute(known)}
        return numbers

    def _free(self, tx: Tx, wanted: Sequence[int]) -> list[int]:
        """These numbers, or the next that nobody has: of copies that were said at the same microsecond."""
        taken = set(tx.scalars(select(_terms.c.number).where(_terms.c.number.in_(list(wanted)))))
        free: list[int] = []
        for number in wanted:
            while number in taken:
                number += 1
                if tx.scalar(select(_terms.c.number).where(_terms.c.number == number)) is not None:
                    taken.add(number)
            taken.add(number)
            free.append(number)
        return free


def _column(reader: Reader) -> ColumnElement[str]:
    return _talks.c.supervisor_id if reader.is_supervisor else _talks.c.owner_id


def _conditions(wanted: SearchFilter) -> tuple[ColumnElement[bool], ...]:
    asked = (
        (_messages.c.role, wanted.role),
        (_talks.c.type, wanted.type),
        (_talks.c.persona_id, wanted.client_id),
        (_talks.c.id, wanted.conversation_id),
    )
    return tuple(column == value for column, value in asked if value is not None)


def _said(row: Row[Any]) -> Said:
    return Said(
        message_id=row.id,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        sequence_number=row.sequence_number,
        role=row.role,
        text=said_in(row.content, row.content_format),
        created_at=row.created_at,
        title=row.title,
        type=row.type,
        client_id=row.persona_id,
    )
