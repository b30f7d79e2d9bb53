"""After the harm: what was promised, compared with what is there."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import text

from chaos.door import Door, RefusedError
from chaos.events import events_of
from chaos.fleet import Fleet
from chaos.options import TOTAL_SECONDS, Options
from chaos.said import FINAL_STATES, Said
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database

AT_REST = {
    "turns that are not final": "SELECT count(*) FROM turns WHERE state IN ('queued', 'running')",
    "checkpoints without a running reply": "SELECT count(*) FROM reply_checkpoints",
    "conversations whose count of messages is wrong": (
        "SELECT count(*) FROM conversations c WHERE message_count <> "
        "(SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)"
    ),
}
"""What must be 0 when nothing runs, asked of the database itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A promise that was not kept."""

    promise: str
    """`lost`, `duplicated`, `stuck`, `differs`, `gaps` or `left`."""
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the audit found."""

    findings: Sequence[Finding]
    recovery_seconds: Sequence[float]
    """From the death of the process that answered a turn to the turn's end; one entry a turn that outlived it."""
    states: Mapping[str, int]
    """How turns ended."""


class Audit:
    """Reads everything through a living server, and a little past it."""

    def __init__(self, door: Door, fleet: Fleet, *, options: Options, is_idempotent: bool) -> None:
        self._door = door
        self._fleet = fleet
        self._options = options
        self._is_idempotent = is_idempotent
        self._random = Random(f"{options.seed}:audit")
        self._findings: list[Finding] = []
        self._recoveries: list[float] = []
        self._states: Counter[str] = Counter()

    async def __call__(self, all_said: Sequence[Said], *, database_url: str) -> Verdict:
        """Look at every conversation, every turn, and the tables at rest."""
        by_conversation: dict[str, list[Said]] = defaultdict(list)
        for said in all_said:
            by_conversation[said.conversation_id].append(said)
        for conversation_id, group in by_conversation.items():
            await self._look_at_conversation(conversation_id, group)
        await self._look_at_rest(database_url)
        return Verdict(findings=self._findings, recovery_seconds=self._recoveries, states=self._states)

    async def _look_at_conversation(self, conversation_id: str, group: Sequence[Said]) -> None:
        messages = await self._messages(conversation_id)
        numbers = [message["sequence_number"] for message in messages]
        if numbers != list(range(1, len(numbers) + 1)):
            self._find("gaps", f"conversation {conversation_id}: {numbers}")
        stored = Counter(message["content"] for message in messages if message["role"] == "user")
        replies = Counter(message["turn_id"] for message in messages if message["role"] == "assistant")
        for turn_id in [turn_id for turn_id, count in replies.items() if count > 1]:
            self._find("duplicated", f"turn {turn_id} has {replies[turn_id]} replies")
        for said in group:
            self._count_question(said, stored[said.content])
            if said.turn_id is not None:
                await self._look_at_turn(said, said.turn_id)

    def _count_question(self, said: Said, count: int) -> None:
        if said.is_acknowledged and count == 0:
            self._find("lost", f"{said.content} was acknowledged as turn {said.turn_id} and is not stored")
        # Without keys, a client that heard no answer cannot know; what it sent twice may be there twice.
        if count > (1 if self._is_idempotent else said.sends):
            self._find("duplicated", f"{said.content}, sent {said.sends} times, is stored {count} times")

    async def _look_at_turn(self, said: Said, turn_id: str) -> None:
        path = f"/conversations/{said.conversation_id}/turns/{turn_id}"
        try:
            turn = await self._door.json("GET", path, random=self._random)
        except RefusedError as refusal:
            self._find("lost", f"turn {turn_id} was acknowledged; asked for, the answer is {refusal}")
            return
        self._states[turn["state"]] += 1
        if turn["state"] not in FINAL_STATES:
            self._find("stuck", f"turn {turn_id} is still {turn['state']}")
            return
        if said.state is None:
            self._find("stuck", f"turn {turn_id} is {turn['state']}, but its reader never heard so")
        self._time(said, turn)
        await self._compare(said, turn, path)

    def _time(self, said: Said, turn: dict[str, Any]) -> None:
        created, finished = _seconds(turn["created_at"]), _seconds(turn["finished_at"])
        limit = self._options.recovery_limit_seconds
        deaths = self._fleet.seats[said.seat].deaths if said.seat is not None and said.sends == 1 else []
        outlived = [death for death in deaths if created < death < finished]
        if outlived:
            self._recoveries.append(finished - outlived[0])
        else:
            limit += TOTAL_SECONDS
        took = finished - (outlived[0] if outlived else created)
        if took > limit:
            since = "the death of its process" if outlived else "its beginning"
            self._find("stuck", f"turn {turn['id']} ended {took:.1f} s after {since}, {turn['state']}")

    async def _compare(self, said: Said, turn: dict[str, Any], path: str) -> None:
        stored = turn["message"]["content"] if turn["message"] else ""
        heard_all = said.state is not None
        if said.text != stored if heard_all else not stored.startswith(said.text):
            self._find("differs", f"turn {said.turn_id}: heard {said.text[-60:]!r}, stored is {stored[-60:]!r}")
        if heard_all and said.state != turn["state"]:
            self._find("differs", f"turn {said.turn_id}: heard {said.state}, stored is {turn['state']}")
        for complaint in said.complaints:
            self._find("differs", f"turn {said.turn_id}: {complaint}")
        for offset in {0, self._random.randint(0, len(stored))}:
            if (replayed := await self._replay(path, offset)) != stored[offset:]:
                self._find("differs", f"turn {said.turn_id} from {offset}: {replayed[-60:]!r}, {stored[-60:]!r}")

    async def _replay(self, path: str, offset: int) -> str:
        seat, headers = self._door.pick(self._random), {"last-event-id": str(offset)}
        async with (
            self._door.ask(seat, "GET", f"{path}/events", headers=headers) as answer,
            aclosing(events_of(answer)) as events,
        ):
            return "".join([event.data["text"] async for event in events if event.name == "reply.delta"])

    async def _messages(self, conversation_id: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        query = "limit=100"
        while True:
            page = await self._door.json(
                "GET", f"/conversations/{conversation_id}/messages?{query}", random=self._random
            )
            messages += page["items"]
            if page["next"] is None:
                return messages
            query = f"limit=100&cursor={page['next']}"

    async def _look_at_rest(self, database_url: str) -> None:
        database = open_database(database_url, Settings())
        try:
            for what, query in AT_REST.items():
                if count := await database.read(lambda tx, query=query: tx.scalar(text(query))):  # type: ignore[misc]
                    self._find("left", f"{what}: {count}")
        finally:
            await database.aclose()

    def _find(self, promise: str, told: str) -> None:
        self._findings.append(Finding(promise=promise, told=told))


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
