"""Load on one server from a process of its own, over raw asyncio streams with kept-alive connections.

Run by `streaming`: reads a `Load` as JSON from the command line, writes a `Sample` as JSON to stdout. A connection
has a conversation of its own and asks its next question when it has read the last reply to its end.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.processes import ROOT, clean_environment
from benchmarks.texts import QUESTIONS
from benchmarks.upstream import FIRST_WORD

_LIMIT_BYTES = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send."""

    port: int
    connections: int
    turns: int
    """Per connection."""
    token: str | None
    """Whose conversations; `None`: there are none, the server is the floor."""
    is_dialect: bool = False
    """Whether to ask in the OpenAI dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What came of it. Seconds; one entry a turn, in order of the conversation."""

    rate: float
    """Turns a second, all connections together."""
    first_tokens: list[float]
    latencies: list[float]
    is_late: list[bool]
    """Whether a turn was in the last fifth of its conversation; `is_early` is the first fifth."""
    is_early: list[bool]


class _Client:
    def __init__(self, load: Load) -> None:
        self._load = load
        self.turns: list[tuple[int, float, float]] = []

    async def run(self) -> None:
        load = self._load
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", load.port, limit=_LIMIT_BYTES)
        path = "/v1/chat/completions"
        if load.token is not None:
            _, body = await self._post("/conversations", {})
            self._conversation_id = json.loads(body)["id"]
            path = "/v1/responses" if load.is_dialect else f"/conversations/{self._conversation_id}/turns"
        for turn in range(load.turns):
            started = time.perf_counter()
            first, _ = await self._post(path, self._question(path, QUESTIONS[turn % len(QUESTIONS)]))
            if first is None:
                raise RuntimeError("a reply without its first word")
            self.turns.append((turn, first - started, time.perf_counter() - started))
        self._writer.close()

    def _question(self, path: str, text: str) -> dict[str, object]:
        if path != "/v1/responses":
            return {"content": text}
        return {"model": "openai/stub", "conversation": self._conversation_id, "input": text, "stream": True}

    async def _post(self, path: str, body: dict[str, object]) -> tuple[float | None, bytes]:
        """When the first word came, and the whole body."""
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/json"]
        if self._load.token is not None:
            lines += [f"authorization: Bearer {self._load.token}"]
            lines += ["accept: text/event-stream"] if path.endswith("/turns") else []
        head = "\r\n".join([*lines, f"content-length: {len(data)}", "", ""])
        self._writer.write(head.encode() + data)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if answer[9:12] not in (b"200", b"201"):
            raise RuntimeError(f"the server refused: {answer!r}")
        if b"content-length:" in answer:
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            return None, await self._reader.readexactly(length)
        return await self._read_chunks()

    async def _read_chunks(self) -> tuple[float | None, bytes]:
        first, whole = None, bytearray()
        while size := int(await self._reader.readline(), 16):
            data = await self._reader.readexactly(size + 2)
            if first is None and FIRST_WORD in data:
                first = time.perf_counter()
            whole += data[:-2]
        await self._reader.readline()
        return first, bytes(whole)


async def send(load: Load) -> Sample:
    """Send `load` from this process."""
    clients = [_Client(load) for _ in range(load.connections)]
    started = time.perf_counter()
    await asyncio.gather(*(client.run() for client in clients))
    seconds = time.perf_counter() - started
    turns = [turn for client in clients for turn in client.turns]
    fifth = load.turns / 5
    return Sample(
        rate=len(turns) / seconds,
        first_tokens=[first for _, first, _ in turns],
        latencies=[latency for _, _, latency in turns],
        is_early=[number < fifth for number, _, _ in turns],
        is_late=[number >= load.turns - fifth for number, _, _ in turns],
    )


def send_from_a_process(load: Load) -> Sample:
    """Send `load` from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment({}), stdout=subprocess.PIPE, check=True)
    return Sample(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(send(Load(**json.loads(sys.argv[1])))))))
