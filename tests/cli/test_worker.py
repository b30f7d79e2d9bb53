"""`convo worker`: what must go on when no server is left."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from conversation_engine.domains.conversations.types import BusyPolicy
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.types import Turn, TurnState
from tests.cli.scenes import CONVO, PATIENCE_SECONDS, Convo, SlowModel
from tests.cli.test_workers import EITHER_WAY, POSTGRES, begun, fleet_of_two

pytestmark = pytest.mark.slow


@pytest.fixture
def soon(tmp_path: Path, slow_model: SlowModel, empty_database_url: str) -> Convo:
    """An empty folder, an empty database, and turns of dead processes that are noticed soon."""
    settings = {"CE_LEASE_SECONDS": "2", "CE_SWEEP_SECONDS": "0.2", "CE_DATABASE_URL": empty_database_url}
    settings["TMPDIR"] = str(tmp_path)  # where servers leave their counts that are killed with all their workers
    return Convo(data_dir=tmp_path / "data", settings={**slow_model.settings, **settings})


@contextmanager
def working(convo: Convo) -> Iterator[subprocess.Popen[str]]:
    """A worker that has begun; killed on leaving."""
    with subprocess.Popen([CONVO, "worker"], env=convo.environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("worker.started" in line for line in process.stderr)
            yield process
        finally:
            process.kill()


def turn_of(convo: Convo, turn_id: str) -> Turn:
    """As it stands in the database, looked at from outside any engine."""

    async def look() -> Turn:
        database = open_database(convo.settings["CE_DATABASE_URL"], Settings())
        found = await database.read(lambda tx: TurnRepo().find(tx, TurnId(turn_id)))
        await database.aclose()
        assert found is not None
        return found

    return asyncio.run(look())


def wait_for(convo: Convo, turn_id: str, state: TurnState) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while turn_of(convo, turn_id).state is not state:
        assert time.monotonic() < give_up_at, turn_of(convo, turn_id)
        time.sleep(0.1)


class TestWorker:
    @pytest.mark.parametrize("empty_database_url", [POSTGRES], indirect=True)
    def test_it_ends_the_turns_of_dead_servers_and_moves_their_lines(self, soon: Convo) -> None:
        with ExitStack() as stack:
            fleet = stack.enter_context(fleet_of_two(soon))
            turn, _ = begun(fleet, stack)
            turns, _, running = turn.rpartition("/")
            waiting = {"content": "And then?", "on_busy": BusyPolicy.QUEUE.value}
            with fleet.client.stream("POST", turns, json=waiting, headers={"Accept": "text/event-stream"}):
                [queued] = fleet.client.get(turns, params={"state": "queued"}).json()["items"]
            for process in (*fleet.workers(), fleet.process.pid):
                os.kill(process, signal.SIGKILL)
            with working(soon) as worker:
                wait_for(soon, running, TurnState.INTERRUPTED)
                wait_for(soon, queued["id"], TurnState.RUNNING)
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(PATIENCE_SECONDS) == 0
            wait_for(soon, queued["id"], TurnState.INTERRUPTED)

    @pytest.mark.parametrize(("empty_database_url", "number"), EITHER_WAY, indirect=["empty_database_url"])
    def test_it_ends_when_asked_to(self, soon: Convo, number: signal.Signals) -> None:
        with working(soon) as worker:
            worker.send_signal(number)
            assert worker.wait(PATIENCE_SECONDS) == 0
            assert worker.stderr is not None
            assert "Traceback" not in worker.stderr.read()
