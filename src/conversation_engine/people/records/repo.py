"""Everything that is kept about one person, or in one conversation: found through the schema, so that a new table is
found too.

A table with an `owner_id` holds somebody's rows, one with a `conversation_id` a conversation's. What hangs on those by
a foreign key belongs to them. The exceptions stand below by name; `tests/people/test_records.py` and
`tests/people/test_erasure.py` look for the erased in every column of every table.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Text, and_, case, cast, delete, or_, select, update

from conversation_engine.infra.db.base import Base
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.people.records.types import Old, OldConversations, Rows

NOBODY: Final = "erased"
"""Whose the rows are that have to stay: what was spent (decision 0008)."""
OWNER: Final = "owner_id"
ALSO_THEIRS: Final = {
    "users": "id",
    "persona_shares": "user_id",
    "feedback": "author_id",
    "collection_loans": "lender_id",
}
"""Tables where another column says whose a row is; in `feedback` beside the owner of the conversation."""
MENTIONING: Final = {"jobs": "payload", "outbox": "payload", "idempotency_keys": "answer"}
"""Columns that may name people: work and events on their way, answers that others were given."""
STAYS: Final = frozenset({"llm_requests", "begun_calls"})
MOST_IDS: Final = 10_000
"""That one statement names; work about single messages of longer conversations finds that they are gone by itself."""
_ID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""UUIDs, also as the OpenAI dialect writes them: 32 digits behind a prefix."""


class RecordRepo:
    """Rows of every table."""

    def list_of(self, tx: Tx, user_id: UserId) -> Rows:
        """Everything about a person, but the instructions of clients that they talked with."""
        found: Rows = {}
        for table, theirs in _theirs(user_id):
            columns = [column for column in table.c if not column.info.get("secret")]
            rows = [dict(row) for row in tx.execute(select(*columns).where(theirs)).mappings()]
            found[table.name] = [_without_instructions(table, row) for row in rows]
        return found

    def erase(self, tx: Tx, user_id: UserId, *, at: datetime) -> dict[str, int]:
        """Remove it all; how many rows by table. What others own and names the person forgets the name."""
        self._let_go_of_others(tx, user_id, at=at)
        erased = {"llm_requests": self._disown_calls(tx, user_id)}
        for table, theirs in reversed(list(_theirs(user_id))):
            if table.name not in STAYS | {"audit_events"}:
                erased[table.name] = tx.execute(delete(table).where(theirs)).rowcount
        for name in MENTIONING:
            mentioning = tx.execute(delete(_table(name)).where(_mentions(name, user_id))).rowcount
            erased[name] = erased.get(name, 0) + mentioning
        erased["audit_events"] = self._disown_deeds(tx, user_id)
        return {name: count for name, count in erased.items() if count}

    def find_owner(self, tx: Tx, conversation_id: ConversationId) -> UserId | None:
        """Whose it is; `None`: there is no such conversation."""
        table = _table("conversations")
        return tx.scalar(select(table.c.owner_id).where(table.c.id == conversation_id))

    def erase_conversation(self, tx: Tx, conversation_id: ConversationId) -> dict[str, int]:
        """Remove all of a conversation; how many rows by table. What its calls cost stays, without what was asked.

        Empty where there is no such conversation.
        """
        if self.find_owner(tx, conversation_id) is None:
            return {}
        ids = {conversation_id, *self._ids_in(tx, conversation_id)}
        erased = {"idempotency_keys": self._forget_answers(tx, conversation_id, ids)}
        calls = _table("llm_requests")
        asked = update(calls).where(calls.c.conversation_id == conversation_id).values(parameters={}, error_cause=None)
        erased["llm_requests"] = tx.execute(asked).rowcount
        for table, theirs in reversed(list(walk(lambda table, known: of_conversation(table, conversation_id, known)))):
            if table.name not in STAYS:
                erased[table.name] = tx.execute(delete(table).where(theirs)).rowcount
        for name in ("jobs", "outbox"):
            gone = tx.execute(delete(_table(name)).where(_mentions(name, conversation_id))).rowcount
            erased[name] = erased.get(name, 0) + gone
        jobs = _table("jobs")
        erased["jobs"] += tx.execute(delete(jobs).where(jobs.c.key.in_(ids))).rowcount if len(ids) < MOST_IDS else 0
        return {name: count for name, count in erased.items() if count}

    def find_old(
        self, tx: Tx, wanted: OldConversations, *, after: str | None, count: int
    ) -> tuple[list[Old], str | None]:
        """Those of the next `count` conversations that nothing has happened in since, and where to go on from.

        Along the primary key: an index on the last change would cost every turn.
        """
        table = _table("conversations")
        query = select(table.c.id, table.c.owner_id, table.c.type, table.c.updated_at, table.c.last_message_at)
        query = query.order_by(table.c.id).limit(count)
        rows = tx.execute(query if after is None else query.where(table.c.id > after)).all()
        found = [
            Old(id=ConversationId(row.id), owner_id=UserId(row.owner_id))
            for row in rows
            if wanted.has(row.type, max(row.updated_at, row.last_message_at or row.updated_at))
        ]
        return found, rows[-1].id if len(rows) == count else None

    def is_old(self, tx: Tx, conversation_id: ConversationId, wanted: OldConversations) -> bool:
        """Whether nothing has happened in it since, either. Holds it until the end of the transaction."""
        table = _table("conversations")
        columns = (table.c.type, table.c.updated_at, table.c.last_message_at)
        row = tx.execute(select(*columns).where(table.c.id == conversation_id).with_for_update()).one_or_none()
        return row is not None and wanted.has(row.type, max(row.updated_at, row.last_message_at or row.updated_at))

    def _ids_in(self, tx: Tx, conversation_id: ConversationId) -> set[str]:
        """Of messages and turns."""
        found: set[str] = set()
        for name in ("messages", "turns"):
            table = _table(name)
            found.update(tx.scalars(select(table.c.id).where(table.c.conversation_id == conversation_id)))
        return found

    def _forget_answers(self, tx: Tx, conversation_id: ConversationId, ids: Collection[str]) -> int:
        """Answers that name the conversation or something in it, among those kept for its owner and its reader."""
        keys, conversations = _table("idempotency_keys"), _table("conversations")
        people = tx.execute(
            select(conversations.c.owner_id, conversations.c.supervisor_id).where(conversations.c.id == conversation_id)
        ).one()
        query = select(keys.c.owner_id, keys.c.key, cast(keys.c.answer, Text).label("answer"))
        kept = tx.execute(query.where(keys.c.owner_id.in_([one for one in people if one]), keys.c.answer.is_not(None)))
        naming = [row for row in kept if not {canonical(found) for found in _ID.findall(row.answer)}.isdisjoint(ids)]
        for row in naming:
            tx.execute(delete(keys).where(keys.c.owner_id == row.owner_id, keys.c.key == row.key))
        return len(naming)

    def _let_go_of_others(self, tx: Tx, user_id: UserId, *, at: datetime) -> None:
        """Students keep what they said with this teacher's clients; the sessions end and lose the instructions."""
        conversations, feedback = _table("conversations"), _table("feedback")
        others = conversations.c.supervisor_id == user_id
        is_active = conversations.c.status == "active"
        tx.execute(
            update(conversations)
            .where(others)
            .values(
                supervisor_id=None,
                system_prompt=None,
                status=case((is_active, "completed"), else_=conversations.c.status),
                ended_at=case((is_active, at), else_=conversations.c.ended_at),
            )
        )
        tx.execute(update(feedback).where(feedback.c.supervisor_id == user_id).values(supervisor_id=None))

    def _disown_calls(self, tx: Tx, user_id: UserId) -> int:
        """Model calls stay as what they cost, without whose they were and what was asked."""
        calls, begun = _table("llm_requests"), _table("begun_calls")
        tx.execute(update(begun).where(begun.c.owner_id == user_id).values(owner_id=NOBODY))
        values: dict[str, Any] = {"owner_id": NOBODY, "parameters": {}, "error_cause": None}
        return tx.execute(update(calls).where(calls.c.owner_id == user_id).values(**values)).rowcount

    def _disown_deeds(self, tx: Tx, user_id: UserId) -> int:
        """The audit log says what happened, not any more to whom."""
        deeds = _table("audit_events")
        values: dict[str, Any] = {
            "actor_id": case((deeds.c.actor_id == user_id, NOBODY), else_=deeds.c.actor_id),
            "subject_id": case((deeds.c.subject_id == user_id, NOBODY), else_=deeds.c.subject_id),
            "target": None,
            "address": None,
            "details": {},
        }
        return tx.execute(update(deeds).where(_deeds_of(user_id)).values(**values)).rowcount


Known = dict[str, ColumnElement[bool]]


def canonical(found: str) -> str:
    """A UUID that was found in a text, as ids are written here."""
    return str(UUID(found))


def _theirs(user_id: UserId) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Each table with rows of this person, parents first, and which rows these are."""
    return walk(lambda table, known: _which(table, user_id, known))


def walk(
    which_of: Callable[[Table, Known], ColumnElement[bool] | None],
) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Each table in which `which_of` finds rows, parents first, and which rows these are; it is told those before."""
    known: Known = {}
    for table in Base.metadata.sorted_tables:
        which = which_of(table, known)
        if which is not None:
            known[table.name] = which
            yield table, which


def of_conversation(table: Table, conversation_id: ConversationId, known: Known) -> ColumnElement[bool] | None:
    """Which rows of a table belong to a conversation."""
    if table.name == "conversations":
        return table.c.id == conversation_id
    if "conversation_id" in table.c:
        return table.c.conversation_id == conversation_id
    if table.name in ("budgets", "budget_accounts"):
        return and_(table.c.scope == "conversation", table.c.subject == conversation_id)
    if table.name == "ledger":
        return _of_accounts(table, known)
    return _hanging(table, known)


def _which(table: Table, user_id: UserId, known: Known) -> ColumnElement[bool] | None:
    own = [table.c[name] == user_id for name in (OWNER, ALSO_THEIRS.get(table.name, "")) if name in table.c]
    if table.name in ("budgets", "budget_accounts"):
        return and_(table.c.scope == "user", table.c.subject == user_id)
    if table.name == "ledger":
        return _of_accounts(table, known)
    if table.name == "audit_events":
        return _deeds_of(user_id)
    if own:
        return or_(*own)
    return _hanging(table, known)


def _of_accounts(table: Table, known: Known) -> ColumnElement[bool]:
    accounts = _table("budget_accounts")
    return table.c.account_id.in_(select(accounts.c.id).where(known["budget_accounts"]))


def _hanging(table: Table, known: Known) -> ColumnElement[bool] | None:
    hanging = [
        key.parent.in_(select(key.column).where(known[key.column.table.name]))
        for key in table.foreign_keys
        if key.column.table.name in known
    ]
    return or_(*hanging) if hanging else None


def _mentions(name: str, known_id: str) -> ColumnElement[bool]:
    """Whether a document has the id as one of its texts, or in a text that is a document itself.

    SQLite keeps other letters than ASCII escaped.
    """
    document = cast(_table(name).c[MENTIONING[name]], Text)
    forms = _written(known_id)
    forms |= {outer[1:-1] for inner in forms for outer in _written(inner)}
    return or_(*(document.contains(form, autoescape=True) for form in sorted(forms)))


def _written(text: str) -> set[str]:
    return {json.dumps(text), json.dumps(text, ensure_ascii=False)}


def _deeds_of(user_id: UserId) -> ColumnElement[bool]:
    deeds = _table("audit_events")
    return or_(deeds.c.actor_id == user_id, deeds.c.subject_id == user_id)


def _without_instructions(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    if table.name == "conversations" and row["persona_id"] is not None:
        return {**row, "system_prompt": None}
    return row


def _table(name: str) -> Table:
    return Base.metadata.tables[name]
