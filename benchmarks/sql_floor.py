"""The least that storing a turn can cost: hand-written SQL over one connection, no library between.

A turn is two messages, each in a transaction of its own (count it, write it, commit), and between them the newest
messages are read for the model. Nothing else is kept: no turn, no lease, no model call, no window's account.
"""

import json
import uuid
from typing import Any, Protocol

import aiosqlite
import asyncpg

SHOWN = 20
"""Messages read for the model."""
_USAGE = {"input_tokens": 500, "output_tokens": 210, "cost": 0.00123}


class Floor(Protocol):
    """Conversations in a database of their own, one at a time."""

    async def open(self) -> None:
        """Make the tables."""

    async def new_conversation(self) -> None:
        """Begin an empty one; `turn` is said in it."""

    async def turn(self, question: str, reply: str) -> None:
        """Store a question, read the newest messages, store the reply."""

    async def aclose(self) -> None:
        """Let go of the connection."""


class SqliteFloor:
    """Over aiosqlite, with the pragmas that the product uses."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> None:
        self._sql = await aiosqlite.connect(self._path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=NORMAL",
            "CREATE TABLE talks (id TEXT PRIMARY KEY, last INTEGER NOT NULL DEFAULT 0)",
            "CREATE TABLE lines (id TEXT PRIMARY KEY, talk TEXT REFERENCES talks, number INTEGER, role TEXT,"
            " content TEXT, facts TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (talk, number))",
        ):
            await self._sql.execute(statement)

    async def new_conversation(self) -> None:
        self._id = str(uuid.uuid4())
        await self._sql.execute("INSERT INTO talks (id) VALUES (?)", (self._id,))

    async def turn(self, question: str, reply: str) -> None:
        await self._say("user", question, {})
        newest = "SELECT role, content FROM lines WHERE talk = ? ORDER BY number DESC LIMIT ?"
        await (await self._sql.execute(newest, (self._id, SHOWN))).fetchall()
        await self._say("assistant", reply, _USAGE)

    async def aclose(self) -> None:
        await self._sql.close()

    async def _say(self, role: str, content: str, facts: dict[str, Any]) -> None:
        await self._sql.execute("BEGIN IMMEDIATE")
        count = "UPDATE talks SET last = last + 1 WHERE id = ? RETURNING last"
        row = await (await self._sql.execute(count, (self._id,))).fetchone()
        values = (str(uuid.uuid4()), self._id, row[0] if row else None, role, content, json.dumps(facts))
        await self._sql.execute(
            "INSERT INTO lines (id, talk, number, role, content, facts) VALUES (?,?,?,?,?,?)", values
        )
        await self._sql.execute("COMMIT")


class PostgresFloor:
    """Over asyncpg, which keeps the statements prepared."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._sql = await asyncpg.connect(self._url)
        await self._sql.execute(
            "CREATE TABLE talks (id uuid PRIMARY KEY, last int NOT NULL DEFAULT 0);"
            "CREATE TABLE lines (id uuid PRIMARY KEY, talk uuid REFERENCES talks, number int, role text,"
            " content text, facts jsonb, at timestamptz DEFAULT now(), UNIQUE (talk, number))"
        )

    async def new_conversation(self) -> None:
        self._id = uuid.uuid4()
        await self._sql.execute("INSERT INTO talks (id) VALUES ($1)", self._id)

    async def turn(self, question: str, reply: str) -> None:
        await self._say("user", question, {})
        newest = "SELECT role, content FROM lines WHERE talk = $1 ORDER BY number DESC LIMIT $2"
        await self._sql.fetch(newest, self._id, SHOWN)
        await self._say("assistant", reply, _USAGE)

    async def aclose(self) -> None:
        await self._sql.close()

    async def _say(self, role: str, content: str, facts: dict[str, Any]) -> None:
        async with self._sql.transaction():
            count = "UPDATE talks SET last = last + 1 WHERE id = $1 RETURNING last"
            number = await self._sql.fetchval(count, self._id)
            insert = "INSERT INTO lines (id, talk, number, role, content, facts) VALUES ($1, $2, $3, $4, $5, $6)"
            await self._sql.execute(insert, uuid.uuid4(), self._id, number, role, content, json.dumps(facts))
