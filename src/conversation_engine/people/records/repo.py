"""Everything that is kept about one person: found through the schema, so that a new table is found too.

A table with an `owner_id` holds somebody's rows. What hangs on those by a foreign key belongs to them. The exceptions
stand below by name; `tests/people/test_records.py` looks for the erased in every column of every table.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Text, and_, case, cast, delete, or_, select, update

from conversation_engine.infra.db.base import Base
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import UserId
from conversation_engine.people.records.types import Rows

NOBODY: Final = "erased"
"""Whose the rows are that have to stay: what was spent (decision 0008)."""
OWNER: Final = "owner_id"
ALSO_THEIRS: Final = {"users": "id", "persona_shares": "user_id", "feedback": "author_id"}
"""Tables where another column says whose a row is; in `feedback` beside the owner of the conversation."""
MENTIONING: Final = {"jobs": "payload", "outbox": "payload", "idempotency_keys": "answer"}
"""Columns that may name people: work and events on their way, answers that others were given."""
STAYS: Final = frozenset({"llm_requests"})


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
        calls = _table("llm_requests")
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


def _theirs(user_id: UserId) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Each table with rows of this person, parents first, and which rows these are."""
    known: dict[str, ColumnElement[bool]] = {}
    for table in Base.metadata.sorted_tables:
        which = _which(table, user_id, known)
        if which is not None:
            known[table.name] = which
            yield table, which


def _which(table: Table, user_id: UserId, known: dict[str, ColumnElement[bool]]) -> ColumnElement[bool] | None:
    own = [table.c[name] == user_id for name in (OWNER, ALSO_THEIRS.get(table.name, "")) if name in table.c]
    if table.name in ("budgets", "budget_accounts"):
        return and_(table.c.scope == "user", table.c.subject == user_id)
    if table.name == "ledger":
        accounts = _table("budget_accounts")
        return table.c.account_id.in_(select(accounts.c.id).where(known["budget_accounts"]))
    if table.name == "audit_events":
        return _deeds_of(user_id)
    if own:
        return or_(*own)
    hanging = [
        key.parent.in_(select(key.column).where(known[key.column.table.name]))
        for key in table.foreign_keys
        if key.column.table.name in known
    ]
    return or_(*hanging) if hanging else None


def _mentions(name: str, user_id: UserId) -> ColumnElement[bool]:
    """Whether a document has the id as one of its texts, or in a text that is a document itself.

    SQLite keeps other letters than ASCII escaped.
    """
    document = cast(_table(name).c[MENTIONING[name]], Text)
    forms = _written(user_id)
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
