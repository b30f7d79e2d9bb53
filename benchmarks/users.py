"""People who hold conversations at their own pace: they ask, read the reply as it comes, think. A process of its own.

Run by `capacity`: reads `Users` as JSON from standard input, writes a `Heard` as JSON to stdout.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from random import Random

import uvloop

from benchmarks.processes import ROOT, clean_environment

FIRST_WORD = re.compile(rb"word0 own(\d+\.\d+)")
_LIMIT_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Who asks what."""

    port: int
    token: str
    count: int
    seconds: float
    """How long they go on once all have begun."""
    ramp_seconds: float
    """In which they begin, one after the other."""
    think_seconds: float
    """Between a reply and the next question, on average; from half of it to one and a half."""
    talks: list[list[str]]
    """What is asked in a conversation; each user has one of their own, and a new one at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Of what was asked after the last user had begun."""

    overheads: list[float]
    """Seconds to the first word, less those that the model itself took."""
    streams: float
    """That were open at once, on average."""
    turns: int


class _Crowd:
    def __init__(self, users: Users) -> None:
        self._users = users
        self._begun = time.perf_counter()
        self._measured_from = self._begun + users.ramp_seconds
        self.over = self._measured_from + users.seconds
        self.overheads: list[float] = []
        self.streamed = 0.0
        self.turns = 0

    async def user(self, number: int) -> None:
        users, dice = self._users, Random(number)
        await asyncio.sleep(users.ramp_seconds * number / users.count)
        reader, writer = await asyncio.open_connection("127.0.0.1", users.port, limit=_LIMIT_BYTES)
        connection = _Connection(reader, writer, users.token)
        talk = number
        while True:
            made = json.loads(await connection.post("/conversations", {}))
            for question in users.talks[talk % len(users.talks)]:
                if time.perf_counter() > self.over:
                    writer.close()
                    return
                await self._ask(connection, made["id"], question)
                await asyncio.sleep(users.think_seconds * dice.uniform(0.5, 1.5))
            talk += users.count

    async def _ask(self, connection: "_Connection", conversation_id: str, question: str) -> None:
        began = time.perf_counter()
        first, own = await connection.stream(f"/conversations/{conversation_id}/turns", {"content": question})
        ended = time.perf_counter()
        self.streamed += max(0.0, min(ended, self.over) - max(began, self._measured_from))
        if self._measured_from <= began and ended <= self.over:
            self.turns += 1
            self.overheads.append(first - began - own)


class _Connection:
    """Raw HTTP/1.1, kept alive: a client library would weigh more than what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader, self._writer, self._token = reader, writer, token

    async def post(self, path: str, body: dict[str, object]) -> bytes:
        answer = await self._send(path, body, accept="application/json")
        return await self._reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))

    async def stream(self, path: str, body: dict[str, object]) -> tuple[float, float]:
        """When the first word came, and how long the model says that it took for it."""
        await self._send(path, body, accept="text/event-stream")
        first: tuple[float, float] | None = None
        seen = b""
        while size := int(await self._reader.readline(), 16):
            seen += (await self._reader.readexactly(size + 2))[:-2]
            if first is None and (found := FIRST_WORD.search(seen)):
                first = (time.perf_counter(), float(found[1]))
        await self._reader.readline()
        if first is None or b"event: turn.completed" not in seen:
            raise RuntimeError(f"a reply that is none: {seen[-300:]!r}")
        return first

    async def _send(self, path: str, body: dict[str, object], *, accept: str) -> bytes:
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/json", f"accept: {accept}"]
        lines += [f"authorization: Bearer {self._token}", f"content-length: {len(data)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + data)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if answer[9:12] not in (b"200", b"201"):
            raise RuntimeError(f"the server refused: {answer!r}")
        return answer


async def hold(users: Users) -> Heard:
    """Let them talk, from this process."""
    crowd = _Crowd(users)
    await asyncio.gather(*(crowd.user(number) for number in range(users.count)))
    return Heard(overheads=crowd.overheads, streams=crowd.streamed / users.seconds, turns=crowd.turns)


def hold_from_a_process(users: Users) -> "subprocess.Popen[bytes]":
    """Let them talk from a process of its own; `heard_by` waits for it."""
    command = [sys.executable, "-m", "benchmarks.users"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    with process.stdin as told:
        told.write(json.dumps(asdict(users)).encode())
    return process


def heard_by(process: "subprocess.Popen[bytes]") -> Heard:
    """What they heard. Raises RuntimeError where one of them was refused."""
    assert process.stdout is not None
    with process.stdout as said:
        heard = said.read()
    if process.wait():
        raise RuntimeError("the users gave up")
    return Heard(**json.loads(heard))


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(hold(Users(**json.load(sys.stdin)))))))
