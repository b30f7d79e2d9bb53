"""Users who keep asking, whatever happens to the servers, and remember everything they were told."""

import asyncio
import uuid
from contextlib import aclosing
from random import Random

from chaos.door import BROKEN, PAUSE_SECONDS, Door, RefusedError
from chaos.events import events_of
from chaos.fleet import Seat
from chaos.said import Said

TURNS_PER_CONVERSATION = 10
LEAVE_CHANCE = 0.15
"""A stream that its reader leaves in the middle, to come back elsewhere."""
CANCEL_CHANCE = 0.04
IN_PROGRESS = 409


class Client:
    """One user, one conversation at a time, one question at a time."""

    def __init__(self, door: Door, *, random: Random) -> None:
        self.said: list[Said] = []
        self._door = door
        self._random = random
        self._is_leaving = asyncio.Event()

    def leave(self) -> None:
        """Ask nothing more, but hear the current answer to its end."""
        self._is_leaving.set()

    async def run(self) -> None:
        """Ask until told to leave."""
        while not self._is_leaving.is_set():
            conversation = await self._door.json("POST", "/conversations", random=self._random, body={})
            for _ in range(TURNS_PER_CONVERSATION):
                if self._is_leaving.is_set():
                    return
                await self._ask(conversation["id"])

    async def _ask(self, conversation_id: str) -> None:
        said = Said(conversation_id=conversation_id, content=f"question {uuid.UUID(int=self._random.getrandbits(128))}")
        self.said.append(said)
        while said.state is None:
            seat = self._door.pick(self._random)
            try:
                if said.turn_id is None:
                    await self._submit(said, seat)
                else:
                    await self._resume(said, said.turn_id, seat)
            except RefusedError as refusal:
                if refusal.status < 500 and refusal.status != IN_PROGRESS:
                    said.complaints.append(f"refused: {refusal}")
                    return
            except BROKEN:
                pass
            if said.state is None:
                await asyncio.sleep(self._random.uniform(0, 2 * PAUSE_SECONDS))

    async def _submit(self, said: Said, seat: Seat) -> None:
        said.sends += 1
        path = f"/conversations/{said.conversation_id}/turns"
        headers = {"accept": "text/event-stream", "idempotency-key": said.content}
        await self._listen(said, seat, method="POST", path=path, headers=headers)

    async def _resume(self, said: Said, turn_id: str, seat: Seat) -> None:
        path = f"/conversations/{said.conversation_id}/turns/{turn_id}/events"
        headers = {"last-event-id": str(len(said.text))}
        await self._listen(said, seat, method="GET", path=path, headers=headers)

    async def _listen(self, said: Said, seat: Seat, *, method: str, path: str, headers: dict[str, str]) -> None:
        body = {"content": said.content} if method == "POST" else None
        leave_after = self._random.randint(1, 20) if self._random.random() < LEAVE_CHANCE else None
        async with (
            self._door.ask(seat, method, path, body=body, headers=headers) as answer,
            aclosing(events_of(answer)) as events,
        ):
            count = 0
            async for event in events:
                said.hear(event)
                if event.name == "turn.started":
                    said.resumes += method == "GET"
                    said.seat = seat.number if method == "POST" else said.seat
                count += 1
                if count == leave_after:
                    break
        if said.state is None and said.turn_id is not None and self._random.random() < CANCEL_CHANCE:
            await self._cancel(said, said.turn_id)

    async def _cancel(self, said: Said, turn_id: str) -> None:
        path = f"/conversations/{said.conversation_id}/turns/{turn_id}/cancel"
        async with self._door.ask(self._door.pick(self._random), "POST", path):
            pass
