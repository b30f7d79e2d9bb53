"""Reads what is there when everything is at rest: through a living server, and a little past it."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy import Connection, bindparam, text

from chaos.door import Door, RefusedError
from chaos.events import events_of
from chaos.judge import Kept, KeptTurn
from chaos.said import FINAL_STATES, Said
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.base import UtcDateTime
from conversation_engine.infra.db.opening import open_database

REST_SECONDS = 30.0
"""How long what dead processes held may be there when everybody has left: a lease, and a sweep of a busy server."""
AT_REST = {
    "turns that are not final": "SELECT count(*) FROM turns WHERE state IN ('queued', 'running')",
    "checkpoints without a running reply": "SELECT count(*) FROM reply_checkpoints",
    "conversations whose count of messages is wrong": (
        "SELECT count(*) FROM conversations c WHERE message_count <> "
        "(SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)"
    ),
    "promises to budgets that nobody holds": (
        "SELECT count(*) FROM ledger WHERE settled_at IS NULL AND (held_until IS NULL OR held_until < :now)"
    ),
    "accounts that are reserved more than was promised": (
        "SELECT count(*) FROM budget_accounts a WHERE reserved_tokens <> "
        "(SELECT COALESCE(sum(reserved_tokens), 0) FROM ledger l WHERE l.account_id = a.id AND settled_at IS NULL)"
    ),
    "accounts that are not the sum of their ledger": (
        "SELECT count(*) FROM budget_accounts a WHERE spent_tokens <> "
        "(SELECT COALESCE(sum(tokens), 0) FROM ledger l WHERE l.account_id = a.id)"
    ),
    "entries of the ledger that are not the sum of their turn's calls": (
        "SELECT count(*) FROM ledger l WHERE tokens <> "
        "(SELECT COALESCE(sum(input_tokens + output_tokens), 0) FROM llm_requests r WHERE r.turn_id = l.turn_id)"
    ),
    "turns without an entry in the ledger": (
        "SELECT count(*) FROM turns t WHERE state = 'completed' AND NOT EXISTS "
        "(SELECT 1 FROM ledger l WHERE l.turn_id = t.id)"
    ),
}
"""What must be 0 when no turn runs, asked of the database itself. Titles and summaries may be at work still."""


class Audit:
    """Asks for everything that clients were told of."""

    def __init__(self, door: Door, *, random: Random) -> None:
        self._door = door
        self._random = random

    async def __call__(self, all_said: Sequence[Said], *, database_url: str) -> Kept:
        """Every conversation, every turn, and the tables at rest."""
        conversations = dict.fromkeys(said.conversation_id for said in all_said)
        turns = {said.turn_id: await self._turn(said, said.turn_id) for said in all_said if said.turn_id is not None}
        return Kept(
            messages={conversation_id: await self._messages(conversation_id) for conversation_id in conversations},
            turns={turn_id: turn for turn_id, turn in turns.items() if turn is not None},
            leftovers=await _leftovers(database_url),
        )

    async def _turn(self, said: Said, turn_id: str) -> KeptTurn | None:
        path = f"/conversations/{said.conversation_id}/turns/{turn_id}"
        try:
            detail = await self._door.json("GET", path, random=self._random)
        except RefusedError:
            return None
        if detail["state"] not in FINAL_STATES:
            return KeptTurn(detail=detail, replays={})
        length = len(KeptTurn(detail=detail, replays={}).text)
        return KeptTurn(detail=detail, replays=await self._replays(path, {0, self._random.randint(0, length)}))

    async def _replays(self, path: str, offsets: Iterable[int]) -> dict[int, str]:
        return {offset: await self._replay(path, offset) for offset in offsets}

    async def _replay(self, path: str, wanted: int) -> str:
        seat, headers, offset = self._door.pick(self._random), {"last-event-id": str(wanted)}, wanted
        async with (
            self._door.ask(seat, "GET", f"{path}/events", headers=headers) as answer,
            aclosing(events_of(answer)) as events,
        ):
            text = ""
            async for event in events:
                if event.name == "turn.restarted":  # all of it follows
                    offset, text = 0, ""
                elif event.name == "reply.delta":
                    text += event.data["text"]
            return text[wanted - offset :]

    async def _messages(self, conversation_id: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        path = f"/conversations/{conversation_id}/messages?limit=100"
        cursor = ""
        while True:
            page = await self._door.json("GET", path + cursor, random=self._random)
            messages += page["items"]
            if page["next"] is None:
                return messages
            cursor = f"&cursor={page['next']}"


async def _leftovers(database_url: str) -> dict[str, int]:
    """As soon as there are none, or what is left when there should be none any more."""
    database, end = open_database(database_url, Settings()), time.monotonic() + REST_SECONDS
    try:
        while any((left := await database.read(_count_leftovers)).values()) and time.monotonic() < end:
            await asyncio.sleep(0.5)
        return left
    finally:
        await database.aclose()


def _count_leftovers(tx: Connection) -> dict[str, int]:
    now = bindparam("now", datetime.now(UTC), type_=UtcDateTime())
    asked = {what: text(query).bindparams(now) if ":now" in query else text(query) for what, query in AT_REST.items()}
    return {what: int(tx.scalar(query) or 0) for what, query in asked.items()}
