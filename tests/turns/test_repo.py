"""What a turn costs the store."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from conversation_engine.domains.conversations.types import MessageRole, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.testing import Say, ScriptedModel
from conversation_engine.turns.types import TurnEnded
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, answered, ask, begin, left_alone

STATEMENTS_OF_A_TURN = {
    "UPDATE conversations": 2,  # admit and record: each allocates a sequence number and adds to the totals
    "INSERT INTO messages": 2,
    "INSERT INTO turns": 1,
    "UPDATE turns": 1,
    "INSERT INTO llm_requests": 1,
    "SELECT messages": 1,  # the window, one more for every page of messages that fits beyond the first
}
"""Two transactions, apart from checkpoints: a reply that is said at once may be recorded before one is due."""


WITHOUT_CHORES = {
    "sweep_seconds": 3600,
    "lease_seconds": 3600,
    "stop_poll_seconds": 3600,
    "budget_refresh_seconds": 3600,
    "job_poll_seconds": 3600,
}
QUIET_SECONDS = 0.5


@contextmanager
def counted(engine: ConversationEngine) -> Iterator[dict[str, int]]:
    """What is executed meanwhile, by verb and table; transactions' own statements left out."""
    sql: Any = engine.database._engine  # type: ignore[attr-defined]
    sql = getattr(sql, "sync_engine", sql)
    seen: dict[str, int] = {}

    def on_execute(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        words = statement.split()
        if words[0] == "BEGIN" or _is_of_a_checkpoint(words[0], statement):
            return
        if words[0] == "WITH" and (writes := re.findall(r"\b(?:UPDATE|INSERT INTO) \w+", statement)):
            for key in writes:  # on PostgreSQL a message is counted and written in one
                seen[key] = seen.get(key, 0) + 1
            return
        table = words[words.index("FROM") + 1] if words[0] == "SELECT" else words[1 if words[0] == "UPDATE" else 2]
        verb = {"INSERT": "INSERT INTO", "DELETE": "DELETE FROM"}.get(words[0], words[0])
        key = f"{verb} {table}"
        seen[key] = seen.get(key, 0) + 1

    event.listen(sql, "before_cursor_execute", on_execute)
    try:
        yield seen
    finally:
        event.remove(sql, "before_cursor_execute", on_execute)


async def until_quiet(engine: ConversationEngine) -> None:
    """A process looks for lost turns and the like once when it starts: wait until it has."""
    async with asyncio.timeout(30):
        seen = {"not yet": 1}
        while seen:
            with counted(engine) as seen:
                await asyncio.sleep(QUIET_SECONDS)


def _is_of_a_checkpoint(verb: str, statement: str) -> bool:
    if verb == "SELECT":
        return "lease_owner =" in statement
    return "reply_checkpoints" in statement


async def lengthen(engine: ConversationEngine, conversation_id: ConversationId, messages: int) -> None:
    for number in range(messages):
        role = MessageRole.USER if number % 2 == 0 else MessageRole.ASSISTANT
        new = NewMessage(id=MessageId(new_id()), role=role, content=f"message {number}")
        await engine.conversations.add_message(conversation_id, new, owner_id=ADA)


@pytest.fixture
async def engine(open_engine: OpenEngine) -> ConversationEngine:
    """An engine without chores in between, with a model that reads some forty short messages."""
    engine = await open_engine(
        ScriptedModel(*[[Say("a reply")]] * 9),
        **WITHOUT_CHORES,
        model_context_tokens=512,
        reply_limit_tokens=64,
        recall_limit_messages=0,
    )
    await until_quiet(engine)
    return engine


class TestStatements:
    async def test_of_a_turn_are_these(self, engine: ConversationEngine) -> None:
        conversation = await begin(engine)
        with counted(engine) as seen:
            await answered(engine, await ask(engine, conversation.id))
        assert seen == STATEMENTS_OF_A_TURN

    async def test_are_the_same_at_turn_200_as_at_turn_2(self, engine: ConversationEngine) -> None:
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id))
        with counted(engine) as early:
            await answered(engine, await ask(engine, conversation.id))
        await lengthen(engine, conversation.id, 396)
        with counted(engine) as late:
            await answered(engine, await ask(engine, conversation.id))
        assert early == late == STATEMENTS_OF_A_TURN

    async def test_of_a_window_that_recalls_are_two_more(self, open_engine: OpenEngine) -> None:
        """At message 400 as at message 4,000."""
        recalling = await open_engine(
            ScriptedModel(), **WITHOUT_CHORES, model_context_tokens=512, reply_limit_tokens=64
        )
        await until_quiet(recalling)
        conversation = await begin(recalling)
        await lengthen(recalling, conversation.id, 400)
        turn = await ask(recalling, conversation.id)
        await answered(recalling, turn)
        await left_alone(turn)
        with counted(recalling) as seen:
            await recalling.turns.preview(conversation.id, owner_id=ADA, query="And message 7?")
        assert seen.pop("SELECT conversations") == 1
        assert seen.pop("SELECT messages") == 2
        assert list(seen.values()) == [1]  # the index of words

    async def test_hardly_grow_where_the_whole_history_fits(self, open_engine: OpenEngine) -> None:
        """A window of 400 messages may not take as many round trips as it has pages of the first one's size."""
        roomy = await open_engine(ScriptedModel(), **WITHOUT_CHORES)
        await until_quiet(roomy)
        conversation = await begin(roomy)
        await lengthen(roomy, conversation.id, 400)
        with counted(roomy) as seen:
            await answered(roomy, await ask(roomy, conversation.id))
        assert seen.pop("SELECT messages") <= 3
        assert seen == {name: n for name, n in STATEMENTS_OF_A_TURN.items() if name != "SELECT messages"}

    async def test_of_looking_at_a_turn_are_three(self, engine: ConversationEngine) -> None:
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await answered(engine, turn)
        with counted(engine) as seen:
            await engine.turns.get(conversation.id, turn.id, owner_id=ADA)
        assert sum(seen.values()) == 3

    async def test_of_resuming_a_finished_turn_are_three(self, engine: ConversationEngine) -> None:
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await answered(engine, turn)
        with counted(engine) as seen:
            found = await engine.turns.find(conversation.id, turn.id, owner_id=ADA)
            events = [event async for event in engine.turns.follow(found, after=1)]
        assert isinstance(events[-1], TurnEnded)
        assert seen == {"SELECT turns": 1, "SELECT messages": 1, "SELECT llm_requests": 1}
