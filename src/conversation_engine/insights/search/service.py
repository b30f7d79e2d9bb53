"""Finding what was said."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.words.messages import read
from conversation_engine.insights.search.errors import NothingSoughtError
from conversation_engine.insights.search.repo import SearchRepo
from conversation_engine.insights.search.terms import places, snippet, sought
from conversation_engine.insights.search.types import (
    MOST_HITS,
    Found,
    Hit,
    Order,
    Reader,
    Said,
    SearchFilter,
    Spot,
    Term,
    Whose,
)
from conversation_engine.kernel.errors import InvalidCursorError, InvalidInputError
from conversation_engine.kernel.ids import ConversationId, MessageId, PersonaId, UserId, parse_id
from conversation_engine.kernel.paging import Cursor
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import check_sought

NEW_MESSAGES: Final = 1000
"""So many that are not in the index yet are read by a search itself."""
FIRST_OF_ALL: Final = 2**31 - 1
"""The score of what is too new to have one: best first, it comes before the rest."""
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_MOST: Final = 2**62


def number_of(at: datetime, message_id: MessageId) -> int:
    """Where a message stands among all: by when it was said, to the microsecond, then by its id."""
    since = at - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    number = microseconds * 4096 + zlib.crc32(UUID(message_id).bytes) % 4096
    return max(-_MOST, min(_MOST, number))


class SearchService:
    """The door to searching: one's own conversations, for teachers the sessions with their clients.

    An admin may search somebody else's, which is written down.
    """

    def __init__(self, database: Database, *, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._repo = SearchRepo()

    async def search(
        self,
        caller: Principal,
        query: str,
        wanted: SearchFilter | None = None,
        *,
        whose: Whose = Whose.ME,
        user_id: UserId | None = None,
        order: Order = Order.NEWEST,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Found:
        """Messages that have all that is sought. At most six statements, one snapshot, O(matches up to the page's end).

        What is not in the index yet is read: the newest `NEW_MESSAGES` of it. Best first costs O(all matches), and
        what is that new comes first. Raises NothingSoughtError, InvalidTextError, InvalidIdError, InvalidCursorError,
        InvalidInputError and RoleForbiddenError.
        """
        if not 1 <= limit <= MOST_HITS:
            raise InvalidInputError(f"`limit` is {limit}; it must be between 1 and {MOST_HITS}.", field="limit")
        wanted = _checked(wanted or SearchFilter())
        check_sought(q=query, user_id=user_id)
        if not (terms := sought(query)):
            raise NothingSoughtError
        reader, after = _reader(caller, whose, user_id), _spot(cursor)

        def work(tx: Tx) -> Found:
            return self._search(tx, terms, reader, wanted, order=order, after=after, limit=limit)

        found = await self._database.read(work)
        if user_id is not None and user_id != caller.user_id:
            await self._audit.note(Deed(action="messages.searched", actor_id=caller.user_id, subject_id=user_id))
        return found

    def _search(
        self,
        tx: Tx,
        terms: Sequence[Term],
        reader: Reader,
        wanted: SearchFilter,
        *,
        order: Order,
        after: Spot | None,
        limit: int,
    ) -> Found:
        new = self._repo.list_new(tx, reader, wanted, count=NEW_MESSAGES + 1)
        score = 0 if order is Order.NEWEST else FIRST_OF_ALL
        read_here = {
            Spot(number=number_of(one.created_at, one.message_id), score=score): one
            for one in new[:NEW_MESSAGES]
            if _is_in_time(one, wanted) and places(terms, read(one.text)) is not None
        }
        spots = [spot for spot in read_here if after is None or _key(spot) < _key(after)]
        number = self._repo.number_of(tx, reader.user_id)
        if number is not None:
            spots += self._repo.find(
                tx,
                terms,
                number=number,
                reader=reader,
                filters=_filters(wanted),
                is_best_first=order is Order.BEST,
                after=after,
                count=limit + 1,
            )
        spots.sort(key=_key, reverse=True)
        page = spots[:limit]
        said = self._repo.said(tx, [spot.number for spot in page if spot not in read_here])
        hits = [_hit(terms, read_here.get(spot) or said[spot.number]) for spot in page]
        following = _cursor(page[-1]) if len(spots) > limit else None
        return Found(hits=hits, next=following, is_complete=len(new) <= NEW_MESSAGES)


def _reader(caller: Principal, whose: Whose, user_id: UserId | None) -> Reader:
    if user_id is not None and user_id != caller.user_id:
        require_role(caller, Role.ADMIN)
        return Reader(user_id=user_id)
    if whose is Whose.CLIENTS:
        require_role(caller, Role.TEACHER, Role.ADMIN)
        return Reader(user_id=caller.user_id, is_supervisor=True)
    return Reader(user_id=caller.user_id)


def _checked(wanted: SearchFilter) -> SearchFilter:
    check_sought(type=wanted.type, role=wanted.role)
    if wanted.client_id is not None:
        wanted = replace(wanted, client_id=PersonaId(parse_id(wanted.client_id)))
    if wanted.conversation_id is not None:
        wanted = replace(wanted, conversation_id=ConversationId(parse_id(wanted.conversation_id)))
    return wanted


def _filters(wanted: SearchFilter) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "role": wanted.role,
        "type": wanted.type,
        "persona_id": wanted.client_id,
        "conversation_id": wanted.conversation_id,
        "first": None if wanted.start is None else _first_at(wanted.start),
        "last": None if wanted.end is None else _first_at(wanted.end),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _first_at(at: datetime) -> int:
    """Before every number of this microsecond."""
    nobody = MessageId(str(UUID(int=0)))
    return number_of(at, nobody) - zlib.crc32(UUID(int=0).bytes) % 4096


def _is_in_time(one: Said, wanted: SearchFilter) -> bool:
    return (wanted.start is None or one.created_at >= wanted.start) and (
        wanted.end is None or one.created_at < wanted.end
    )


def _key(spot: Spot) -> tuple[int, int]:
    return spot.score, spot.number


def _cursor(spot: Spot) -> str:
    return Cursor(key=(spot.score, str(spot.number))).encode()


def _spot(cursor: str | None) -> Spot | None:
    if cursor is None:
        return None
    score, number = Cursor.decode(cursor, types=(int, str)).key
    try:
        found = Spot(score=int(score), number=int(number))
    except ValueError as error:
        raise InvalidCursorError from error
    if abs(found.number) > _MOST:
        raise InvalidCursorError
    return found


def _hit(terms: Sequence[Term], said: Said) -> Hit:
    piece, highlights = snippet(said.text, places(terms, read(said.text)) or [])
    return Hit(said=said, snippet=piece, highlights=highlights)
