"""What a user was told stays true, wherever in its work a process dies."""

import asyncio
import json
import os
import subprocess
import sys
import timeit
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.crash_points import (
    CRASH_POINTS,
    CRASH_STATUS,
    CRASH_VARIABLE,
    crash_point,
    parse_crash,
)
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.turns.types import ReplyDelta, Turn, TurnDetail, TurnRestarted, TurnState
from tests.durability import doomed
from tests.turns.scenes import answered, ask, count, messages_of, rows
from tests.turns.test_spending import check_books

ROOT = Path(__file__).parents[2]
MARGIN_SECONDS = 5.0
"""What a loaded machine may take beyond the lease and the sweep."""

HALFWAY = "reply_log.after_commit:3"
DEATHS: tuple[tuple[str, ...], ...] = (
    ("admit.before_commit",),
    ("admit.before_commit:2",),
    ("admit.after_commit",),
    ("admit.after_commit:2",),
    ("submit.before_acknowledgement",),
    ("submit.before_acknowledgement:2",),
    ("reply_log.before_commit",),
    ("reply_log.after_commit",),
    (HALFWAY,),
    ("generate.after_last_word",),
    ("generate.after_restart",),
    ("record.before_commit",),
    ("record.after_commit",),
    ("record.after_commit:2",),
    ("line.before_commit",),
    ("line.after_commit",),
    (HALFWAY, "recovery.after_claim"),
    (HALFWAY, "recovery.after_restart"),
    (HALFWAY, "record.before_commit"),
    (HALFWAY, "line.before_commit"),
    (HALFWAY, "recovery.after_record"),
)
"""Where the process that was asked dies, then the one that recovers, if any."""
MODES = ("interrupt", "retry")
ONLY = {"recovery.after_restart": "retry", "recovery.after_record": "interrupt", "generate.after_restart": "interrupt"}
CASES = [
    pytest.param(database, mode, deaths, id=f"{database}-{mode}-{'-then-'.join(deaths)}")
    for database in ("sqlite", "postgres")
    for number, deaths in enumerate(DEATHS)
    for mode in ([ONLY[deaths[-1]]] if deaths[-1] in ONLY else MODES if database == "sqlite" else [MODES[number % 2]])
]
"""Each death on both databases; in both modes on SQLite, in turn on PostgreSQL, whose transactions know no modes."""


@dataclass(kw_only=True)
class Told:
    """What the process that died had told its user of one question."""

    turn_id: str | None = None
    """Set when the question was acknowledged."""
    text: str = ""
    ended: dict[str, Any] | None = None


@dataclass(kw_only=True)
class Witness:
    """All that it told."""

    conversation_id: ConversationId
    of: dict[str, Told] = field(default_factory=dict)


class Hatchery:
    """A process that has imported everything and lets others begin from there, a second sooner each."""

    def __init__(self, folder: Path) -> None:
        self._told = folder / "told"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.doomed"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def die(self, task: str, url: str, mode: str, at: str) -> list[dict[str, Any]]:
        """Let a process die at `at`; what it had told until then."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"told": str(self._told), "at": at, "arguments": [task, url, mode, task]}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        assert json.loads(self._process.stdout.readline()) == CRASH_STATUS, f"nobody passed {at}"
        return [json.loads(line) for line in self._told.read_text().splitlines()]

    def close(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def hatchery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hatchery]:
    hatchery = Hatchery(tmp_path_factory.mktemp("hatchery"))
    yield hatchery
    hatchery.close()


def witness_of(facts: list[dict[str, Any]]) -> Witness:
    witness = Witness(conversation_id=facts[0]["conversation"], of={q: Told() for q in doomed.QUESTIONS})
    for fact in facts[1:]:
        told = witness.of[fact["question"]]
        match fact["kind"]:
            case "acknowledged":
                told.turn_id = fact["turn"]
            case "shown":
                told.text += fact["text"]
            case "ended":
                told.ended = fact
    return witness


@asynccontextmanager
async def survivor(url: str, mode: str) -> AsyncIterator[ConversationEngine]:
    """Another process over the same database."""
    settings = doomed.settings(url, mode).model_copy(update={"grace_seconds": 0.2})
    model = doomed.model("parent")
    model.is_asked.set()
    async with ConversationEngine(settings, providers={"scripted": model}) as engine:
        yield engine


async def all_final(engine: ConversationEngine) -> None:
    """No turn is left without an end; it may take a lease and a sweep, and the time the replies take."""
    async with asyncio.timeout(doomed.LEASE_SECONDS + doomed.SWEEP_SECONDS + MARGIN_SECONDS):
        while await rows(engine, "SELECT id FROM turns WHERE state IN ('queued', 'running')"):
            await asyncio.sleep(0.02)


async def resumed(engine: ConversationEngine, turn: Turn, told: Told) -> tuple[str, int]:
    """What a reader has in the end that goes on from where it was; and how often it had to begin anew."""
    text, restarts = told.text, 0
    async for event in engine.turns.follow(turn, after=len(told.text)):
        match event:
            case ReplyDelta(text=more):
                text += more
            case TurnRestarted():
                text, restarts = "", restarts + 1
    return text, restarts


async def check_turn(engine: ConversationEngine, witness: Witness, question: str) -> TurnDetail:
    """The promises to whoever asked one question."""
    told = witness.of[question]
    turn = await engine.turns.submit(doomed.request(witness.conversation_id, question))
    assert told.turn_id in (None, turn.id)
    detail = await answered(engine, turn)
    stored = str(detail.reply.content) if detail.reply else ""
    text, restarts = await resumed(engine, turn, told)
    assert text == stored
    assert restarts == (detail.turn.attempt - 1 if told.text else 0)  # who has seen nothing need not forget it
    if told.ended:
        error = detail.turn.error
        assert (told.ended["state"], told.ended["text"]) == (detail.turn.state, stored)
        assert told.ended["error"] == (error and {"code": error.code, "detail": error.detail})
    return detail


async def check_store(engine: ConversationEngine, witness: Witness, details: list[TurnDetail]) -> None:
    """The promises about what is there when all is over."""
    messages = await messages_of(engine, witness.conversation_id)
    conversation = await engine.conversations.get(witness.conversation_id, owner_id=doomed.ADA)
    said = [message.content for message in messages if message.role == "user"]
    assert sorted(map(str, said)) == sorted(doomed.QUESTIONS)
    assert [message.sequence_number for message in messages] == list(range(1, len(messages) + 1))
    assert conversation.message_count == len(messages)
    replies = {message.id: message for message in messages if message.role == "assistant"}
    assert replies == {detail.reply.id: detail.reply for detail in details if detail.reply}
    for detail in details:
        assert detail.reply is None or detail.reply.parent_id == detail.turn.user_message_id
    assert await rows(engine, "SELECT * FROM reply_checkpoints") == []
    assert await count(engine, "turns") == len(doomed.QUESTIONS)
    tokens, _ = await check_books(engine)
    [account] = await rows(engine, "SELECT spent_tokens FROM budget_accounts")
    assert account["spent_tokens"] == tokens


def passing_with(value: str, times: int) -> subprocess.CompletedProcess[bytes]:
    """A process with that in its environment that passes one crash point a few times."""
    code = f"""
from conversation_engine.infra.crash_points import crash_point
for _ in range({times}):
    crash_point("record.before_commit")
    print("passed", flush=True)
"""
    return subprocess.run([sys.executable, "-c", code], env=os.environ | {CRASH_VARIABLE: value}, capture_output=True)


@pytest.mark.crash
class TestDeath:
    @pytest.mark.parametrize(("database_url", "mode", "deaths"), CASES, indirect=["database_url"])
    async def test_every_promise_holds_after(
        self, hatchery: Hatchery, database_url: str, mode: str, deaths: tuple[str, ...]
    ) -> None:
        first, *later = deaths
        task = "ask a breaking model" if first == "generate.after_restart" else "ask"
        witness = witness_of(await asyncio.to_thread(hatchery.die, task, database_url, mode, first))
        for at in later:
            await asyncio.to_thread(hatchery.die, "sweep", database_url, mode, at)
        async with survivor(database_url, mode) as engine:
            await all_final(engine)
            details = [await check_turn(engine, witness, question) for question in doomed.QUESTIONS]
            await check_store(engine, witness, details)
            if mode == "retry" and not later:
                assert [detail.turn.state for detail in details] == [TurnState.COMPLETED] * 2
            after = await answered(engine, await ask(engine, witness.conversation_id, "go on"))
            assert after.turn.state is TurnState.COMPLETED


class TestCrashPoint:
    def test_each_is_died_at_here(self) -> None:
        assert {parse_crash(at)[0] for deaths in DEATHS for at in deaths} == CRASH_POINTS

    def test_it_costs_what_a_few_empty_calls_do_when_off(self) -> None:
        passing, nothing = (
            min(timeit.repeat(work, number=20_000, repeat=5))
            for work in (lambda: crash_point("record.before_commit"), lambda: None)
        )
        assert passing < 8 * nothing

    @pytest.mark.parametrize("value", ["nowhere", "record", "record.before_commit:0", "record.before_commit:x", ":1"])
    def test_a_value_that_names_none_stops_the_start(self, value: str) -> None:
        with pytest.raises(ValueError, match="names no crash point"):
            parse_crash(value)
        assert passing_with(value, 0).returncode == 1

    def test_it_ends_the_process_at_the_pass_that_is_named(self) -> None:
        ended = passing_with("record.before_commit:3", 5)
        assert (ended.returncode, ended.stdout) == (CRASH_STATUS, b"passed\npassed\n")
        assert b"died at record.before_commit" in ended.stderr
        assert passing_with("line.before_commit", 5).stdout == b"passed\n" * 5
