"""Turns whose process died, or was thought dead."""

import asyncio
import contextlib
import signal
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from conversation_engine.domains.conversations.types import BusyPolicy, MessageStatus
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.testing import Pause, Say, ScriptedModel
from conversation_engine.turns.recovery import MOST_ATTEMPTS
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.types import Lease, Turn, TurnState
from tests.conftest import OpenEngine
from tests.turns.conftest import OpenStale
from tests.turns.scenes import (
    ADA,
    ToldModel,
    Watcher,
    answered,
    ask,
    begin,
    count,
    messages_of,
    rows,
)

FAR = datetime(2100, 1, 1, tzinfo=UTC)
DOOMED_PROCESS = textwrap.dedent("""
    import asyncio, sys
    from pydantic import SecretStr
    from conversation_engine.domains.conversations.types import NewConversation
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.engine.migrating import upgrade
    from conversation_engine.engine.settings import Settings
    from conversation_engine.testing import Pause, Say, ScriptedModel
    from conversation_engine.turns.types import NewTurn, ReplyDelta

    async def main():
        settings = Settings(database_url=SecretStr(sys.argv[1]), model="scripted/test", lease_seconds=0.5)
        script = [line for n in range(100_000) for line in (Say(f"{n} "), Pause(0.002))]
        async with ConversationEngine(settings, providers={"scripted": ScriptedModel(script)}) as engine:
            await upgrade(engine.database)
            conversation = await engine.conversations.create(NewConversation(owner_id="ada"))
            new = NewTurn(conversation_id=conversation.id, owner_id="ada", content="count")
            turn = await engine.turns.submit(new)
            print(conversation.id, turn.id, flush=True)
            async for event in engine.turns.follow(turn):
                if isinstance(event, ReplyDelta):
                    print(event.text, end="", flush=True)

    asyncio.run(main())
""")


async def has_ended(engine: ConversationEngine, turn_id: str) -> str:
    """The state that a turn ends in, looked up past the services."""
    async with asyncio.timeout(10):
        while True:
            [row] = await rows(engine, "SELECT state FROM turns WHERE CAST(id AS TEXT) IN (:a, :b)", **_forms(turn_id))
            if row["state"] != "running":
                return str(row["state"])
            await asyncio.sleep(0.02)


def _forms(turn_id: str) -> dict[str, str]:
    return {"a": turn_id, "b": turn_id.replace("-", "")}  # SQLite keeps ids without hyphens


async def say_and_lose(
    stale: ConversationEngine, model: ToldModel, *words: str, **fields: object
) -> tuple[Turn, Watcher]:
    """A turn of a process that is thought dead, with `words` shown to somebody who watches it there."""
    turn = await ask(stale, (await begin(stale)).id, **fields)
    watcher = Watcher(stale, turn)
    model.say(*words)
    await watcher.has_seen("".join(words))
    return turn, watcher


class TestSweep:
    async def test_an_expired_turn_ends_interrupted_with_what_was_shown(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale = await open_stale(model)
        turn, _ = await say_and_lose(stale, model, "so ", "far\r\n", "👩\u200d👧", reply_metadata={"by": "caller"})
        engine = await open_engine(ScriptedModel())
        assert await has_ended(engine, turn.id) == "interrupted"
        detail = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        assert detail.turn.error is not None
        assert detail.turn.error.code == "turn_interrupted"
        assert detail.reply is not None
        assert (detail.reply.content, detail.reply.status) == ("so far\r\n👩\u200d👧", MessageStatus.PARTIAL)
        assert (detail.reply.sequence_number, detail.reply.parent_id) == (2, turn.user_message_id)
        assert detail.reply.metadata["by"] == "caller"
        assert await count(engine, "reply_checkpoints") == 0

    async def test_a_process_that_sweeps_its_own_turn_shows_no_word_more_of_it(self, open_stale: OpenStale) -> None:
        """One that was admitted so late that its lease had run out, before the process knew that it runs here."""
        model = ToldModel()
        stale = await open_stale(model)
        _, watcher = await say_and_lose(stale, model, "shown")
        recovery = stale.turns._runner._recovery
        await stale.database.write(
            lambda tx: TurnRepo().claim_expired(
                tx, now=FAR, lease=Lease(holder=recovery._holder, expires_at=FAR), but=[], count=9
            )
        )
        model.say(" unseen")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await watcher.has_seen("shown unseen")
        assert watcher.text == "shown"

    async def test_the_conversation_can_go_on(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        model = ToldModel()
        turn, _ = await say_and_lose(await open_stale(model), model, "half")
        engine = await open_engine(ScriptedModel())
        await has_ended(engine, turn.id)
        detail = await answered(engine, await ask(engine, turn.conversation_id, "go on"))
        numbers = [message.sequence_number for message in await messages_of(engine, turn.conversation_id)]
        assert detail.turn.state is TurnState.COMPLETED
        assert numbers == [1, 2, 3, 4]

    async def test_a_turn_that_had_said_nothing_leaves_no_reply(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        stale = await open_stale(ToldModel())
        turn = await ask(stale, (await begin(stale)).id)
        engine = await open_engine()
        assert await has_ended(engine, turn.id) == "interrupted"
        assert [message.content for message in await messages_of(engine, turn.conversation_id)] == ["hi"]

    async def test_many_processes_end_it_once(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        stale = await open_stale(ScriptedModel(*[[Say("x"), Pause(60)]] * 12))
        turns = [await ask(stale, (await begin(stale)).id) for _ in range(12)]
        for turn in turns:
            await Watcher(stale, turn).has_seen("x")
        engines = [await open_engine(sweep_seconds=0.02) for _ in range(3)]
        for turn in turns:
            assert await has_ended(engines[0], turn.id) == "interrupted"
            messages = await messages_of(engines[0], turn.conversation_id)
            after = await engines[0].conversations.get(turn.conversation_id, owner_id=ADA)
            assert [message.sequence_number for message in messages] == [1, 2]
            assert after.message_count == 2

    async def test_a_turn_with_a_living_holder_is_left_alone(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, lease_seconds=0.4, sweep_seconds=0.05)
        other = await open_engine(lease_seconds=0.4, sweep_seconds=0.05)
        turn = await ask(engine, (await begin(engine)).id)
        await asyncio.sleep(1.0)  # more than two leases
        model.say("still here")
        model.finish()
        assert (await answered(other, turn)).turn.state is TurnState.COMPLETED

    @pytest.mark.parametrize("mode", ["interrupt", "retry"])
    async def test_one_that_cannot_be_recovered_does_not_keep_the_others(
        self, open_stale: OpenStale, open_engine: OpenEngine, mode: str
    ) -> None:
        stuck = await open_stale(ToldModel(), lease_seconds=1)  # its lease runs out first, so it is claimed first
        turn = await ask(stuck, (await begin(stuck)).id)
        await ask(stuck, turn.conversation_id, on_busy=BusyPolicy.QUEUE)
        again = f"UPDATE turns SET queued_message = '{{\"of_a_later_version\": 1}}', attempt = {MOST_ATTEMPTS}"
        await stuck.database.write(lambda tx: tx.execute(text(again)))
        stale = await open_stale(ScriptedModel(*[[Say("x"), Pause(60)]] * 2))
        others = [await ask(stale, (await begin(stale)).id) for _ in range(2)]
        engine = await open_engine(ScriptedModel(), recovery=mode)
        for other in others:
            assert await has_ended(engine, other.id) == ("interrupted" if mode == "interrupt" else "completed")
        assert await has_ended(engine, turn.id) == "interrupted"  # only who was next in line cannot start

    async def test_a_turn_that_its_own_process_lost_is_recovered_while_others_run_there(
        self, open_engine: OpenEngine
    ) -> None:
        """A process keeps alive what it works on, not whatever carries its name."""
        engine = await open_engine(ToldModel(), lease_seconds=0.4, sweep_seconds=0.05)
        lost = await ask(engine, (await begin(engine)).id)
        await ask(engine, (await begin(engine)).id)
        task = engine.turns._runner._tasks[lost.id]
        task.cancel()  # as if it had died of a defect
        engine.turns._runner._forget(lost.id, task)
        assert await has_ended(engine, lost.id) in ("interrupted", "failed", "cancelled")


class TestFence:
    """A process that lost its lease without knowing cannot do harm."""

    async def test_it_cannot_finish_the_turn(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        model = ToldModel()
        turn, watcher = await say_and_lose(await open_stale(model), model, "mine")
        engine = await open_engine()
        await has_ended(engine, turn.id)
        ended = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        model.finish()
        assert replace((await watcher.end()).detail, attempts=()) == replace(ended, attempts=())
        after = await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA)
        assert replace(after, attempts=()) == replace(ended, attempts=())
        assert [message.content for message in await messages_of(engine, turn.conversation_id)] == ["hi", "mine"]

    async def test_it_shows_nobody_what_is_not_kept(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        model = ToldModel()
        turn, watcher = await say_and_lose(await open_stale(model), model, "mine")
        engine = await open_engine()
        await has_ended(engine, turn.id)
        model.say(" and more")
        ended = await watcher.end()
        assert watcher.text == "mine"
        assert (ended.detail.turn.state, ended.offset) == (TurnState.INTERRUPTED, 4)
        assert await count(engine, "reply_checkpoints") == 0

    async def test_it_stops_paying_for_words_that_nobody_will_read(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        stale = await open_stale(model)
        turn, _ = await say_and_lose(stale, model, "mine")
        await has_ended(await open_engine(), turn.id)
        model.say(" and more")
        async with asyncio.timeout(3):
            while not model.closed:
                await asyncio.sleep(0.01)


@pytest.mark.crash
class TestKill:
    async def test_after_kill_9_nothing_that_was_shown_is_lost(
        self, settings: Settings, open_engine: OpenEngine
    ) -> None:
        assert settings.database_url is not None
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            DOOMED_PROCESS,
            settings.database_url.get_secret_value(),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            shown = b""
            async with asyncio.timeout(30):
                while b"turn." in shown or shown.count(b" ") < 60:
                    shown += await process.stdout.read(4096)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            shown += await process.stdout.read()
            await process.wait()
        ids, _, text = shown.decode().partition("\n")
        conversation_id, turn_id = ids.split()
        engine = await open_engine(ScriptedModel(), sweep_seconds=0.1)
        assert await has_ended(engine, turn_id) == "interrupted"
        said, reply = await messages_of(engine, conversation_id)
        assert said.content == "count"
        assert str(reply.content).startswith(text)
        assert "".join(f"{number} " for number in range(10_000)).startswith(str(reply.content))
        assert await count(engine, "reply_checkpoints") == 0
        assert (await answered(engine, await ask(engine, conversation_id))).turn.state is TurnState.COMPLETED
