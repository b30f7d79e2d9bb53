"""Several processes on one port: any of them may die, the server goes on."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind
from tests.cli.scenes import CONVO, ENDS_WITHIN_SECONDS, PATIENCE_SECONDS, Convo, SlowModel

WATCHERS = 6
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
EITHER_WAY = [("sqlite", signal.SIGINT), pytest.param("postgres", signal.SIGTERM, marks=pytest.mark.postgres)]
"""Each signal, and each database: not each with each."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A supervisor of two workers, and Ada's client of them."""

    process: subprocess.Popen[str]
    client: httpx2.Client

    def workers(self) -> set[int]:
        """The processes that the supervisor has now."""
        pid = self.process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def answers(self, path: str) -> Callable[[], bool]:
        """Whether a new connection is answered; one that the dying process had just accepted is not."""

        def ask() -> bool:
            try:
                return self.client.get(path, headers={"Connection": "close"}).status_code == 200
            except httpx2.TransportError:
                return False

        return ask

    def counted(self, sample: str) -> float | None:
        """As whichever worker tells it that takes the connection."""
        page = self.client.get("/metrics", headers={"Connection": "close"}).text
        found = re.search(rf"^{re.escape(sample)} (\S+)$", page, re.MULTILINE)
        return None if found is None else float(found[1])

    def replaced(self, worker: int) -> Callable[[], bool]:
        """Whether another process works in place of this one."""
        return lambda: worker not in self.workers() and len(self.workers()) == 2


@contextmanager
def fleet_of_two(convo: Convo) -> Iterator[Fleet]:
    """It answers, and both workers do, as far as one can tell; killed on leaving."""
    command = [CONVO, "serve", "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, env=convo.environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://[0-9.:]+[0-9]", process.stderr.readline())
            assert address is not None
            token = convo("token").stdout.strip()
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(
                base_url=address[0], headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
            ) as client:
                assert client.get("/readyz").status_code == 200  # waits in the socket's backlog until one accepts
                yield Fleet(process=process, client=client)
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@dataclass(slots=True, kw_only=True)
class Stream:
    """A turn's events over one connection."""

    lines: Iterator[str]
    text: str = ""
    ending: str = ""
    turn_id: str = ""

    def read(self, *, until_text: bool = False) -> "Stream":
        """To its end, or until something of the reply was heard."""
        name = ""
        for line in self.lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                self._take(name, json.loads(line.removeprefix("data: ")))
                if until_text and self.text:
                    break
        return self

    def _take(self, name: str, data: dict[str, str]) -> None:
        if name == "turn.started":
            self.turn_id = data["id"]
        elif name == "reply.delta":
            self.text += data["text"]
        else:
            self.ending = name


def begun(fleet: Fleet, stack: ExitStack) -> tuple[str, list[Stream]]:
    """A turn that has said something to whoever asked and to others, each on a connection of its own."""
    conversation = fleet.client.post("/conversations", json={}).json()["id"]
    path = f"/conversations/{conversation}/turns"
    said = {"content": "Tell me a long story."}
    asked = fleet.client.stream("POST", path, json=said, headers={"Accept": "text/event-stream"})
    streams = [Stream(lines=stack.enter_context(asked).iter_lines()).read(until_text=True)]
    turn = f"{path}/{streams[0].turn_id}"
    for _ in range(WATCHERS):
        response = stack.enter_context(fleet.client.stream("GET", f"{turn}/events"))
        streams.append(Stream(lines=response.iter_lines()).read(until_text=True))
    return turn, streams


@pytest.fixture
def fleet_convo(tmp_path: Path, slow_model: SlowModel, empty_database_url: str) -> Convo:
    """An empty folder, an empty database, and turns of dead processes that are noticed soon."""
    # A worker that a busy machine lets starve for longer than the lease loses its turn to the other one.
    soon = {"CE_LEASE_SECONDS": "4", "CE_SWEEP_SECONDS": "0.3", "CE_GRACE_SECONDS": "0.3"}
    settings = {**slow_model.settings, **soon, "CE_DATABASE_URL": empty_database_url}
    return Convo(data_dir=tmp_path / "data", settings=settings)


class TestWorkers:
    @pytest.mark.parametrize("empty_database_url", [POSTGRES], indirect=True)
    def test_each_may_be_killed_and_the_server_goes_on(self, fleet_convo: Convo) -> None:
        with fleet_of_two(fleet_convo) as fleet:
            with ExitStack() as stack:
                turn, streams = begun(fleet, stack)
                assert {stream.text[:6] for stream in streams} == {"word0 "}
                for worker in fleet.workers():
                    os.kill(worker, signal.SIGKILL)
                    wait_until(fleet.answers(turn))
                    wait_until(fleet.replaced(worker))
            with fleet.client.stream("GET", f"{turn}/events") as response:
                again = Stream(lines=response.iter_lines()).read()
            assert again.ending == "turn.interrupted"
            assert again.text.startswith(streams[0].text)
            wait_until(lambda: fleet.counted("convo_processes") == 2)
            assert fleet.counted('convo_http_requests_total{method="POST",route="/conversations",status="2xx"}') == 1
            assert fleet.counted('convo_lease_recoveries_total{how="ended"}') == 1
            assert fleet.counted("convo_active_turns") == fleet.counted("convo_active_streams") == 0

    @pytest.mark.parametrize(("empty_database_url", "number"), EITHER_WAY, indirect=["empty_database_url"])
    def test_asked_to_stop_it_tells_the_watchers_and_leaves_nothing(
        self, fleet_convo: Convo, number: signal.Signals, tmp_path: Path
    ) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        fleet_convo = replace(fleet_convo, settings={**fleet_convo.settings, "TMPDIR": str(temporary)})
        with fleet_of_two(fleet_convo) as fleet, ExitStack() as stack:
            _, streams = begun(fleet, stack)
            workers = fleet.workers()
            asked_at = time.monotonic()
            fleet.process.send_signal(number)
            assert {stream.read().ending for stream in streams} == {"turn.interrupted"}
            assert fleet.process.wait(PATIENCE_SECONDS) == 0
            assert time.monotonic() - asked_at < ENDS_WITHIN_SECONDS
            assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
            assert not list(temporary.iterdir())

    def test_workers_end_with_a_supervisor_that_is_killed(self, quick_convo: Convo, tmp_path: Path) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        quick_convo = replace(quick_convo, settings={**quick_convo.settings, "TMPDIR": str(temporary)})
        with fleet_of_two(quick_convo) as fleet:
            workers = fleet.workers()
            assert list(temporary.glob("convo-metrics-*/*.db"))
            fleet.process.kill()
            wait_until(lambda: not any(is_running(worker) for worker in workers))
            assert not list(temporary.glob("convo-metrics-*"))

    def test_one_that_cannot_start_ends_all_with_its_reason(self, convo: Convo) -> None:
        ended = replace(convo, settings={"CE_SECRET": "short"})("serve", "--port", "0", "--workers", "2")
        assert ended.returncode == EXIT_CODES[Kind.INVALID]
        assert "CE_SECRET is too short" in ended.stderr
        assert "Traceback" not in ended.stderr


def is_running(pid: int) -> bool:
    """Not dead, and not a dead one that nobody has asked after either."""
    try:
        with closing(Path(f"/proc/{pid}/stat").open()) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
