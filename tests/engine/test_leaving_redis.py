"""Sessions in a real Valkey become conversations, in whichever way they were stored."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from conversation_engine.domains.conversations.types import ConversationFilter, Message
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.leaving_redis import SessionsReport, take_sessions
from conversation_engine.infra.valkey.keyspace import kept_under
from conversation_engine.kernel.ids import UserId
from tests.conftest import OpenEngine, ValkeyHandle

pytestmark = pytest.mark.valkey
ADA, LOCAL = UserId("ada"), UserId("local")
ASKED = {"role": "user", "content": "What was the click rate?", "timestamp": "2025-01-31T19:30:00", "metadata": {}}
ANSWERED = {
    "role": "assistant",
    "content": {"click_rate": 2.5},
    "timestamp": "2025-01-31T19:30:02Z",
    "metadata": {"intent": {"k": "é\u0000"}},
}
SESSION = {
    "session_id": "s-1",
    "messages": [ASKED, ANSWERED],
    "context": {"user_id": "ada", "market": "ES"},
    "created_at": "2025-01-31T19:29:00",
    "last_updated": "2025-01-31T19:30:02",
}


@pytest.fixture
def sessions(valkey: ValkeyHandle) -> Iterator[ValkeyHandle]:
    """One of every form, with a time to live, beside what is none of our business."""
    yield valkey
    valkey.command("FLUSHDB")


def fill(valkey: ValkeyHandle) -> None:
    valkey.command("SET", "session:s-1", json.dumps(SESSION), "EX", "900")
    valkey.command("SET", "session:s-2", json.dumps([{"type": "human", "text": "Hi"}, {"type": "ai", "text": "Hello"}]))
    for said in ("one", "two", "one"):
        valkey.command("RPUSH", "session:local:s-3", json.dumps({"role": "user", "content": said}))
    fields = ("user_id", "ada", "messages", json.dumps([{"sender": "bot", "message": "Welcome", "ts": 1738351800}]))
    valkey.command("HSET", "session:s-4", *fields)
    valkey.command("SET", "session:broken", "not JSON at all")
    valkey.command("SADD", "session:set", "member")
    valkey.command("SET", "cache:s-9", json.dumps(SESSION))


async def taken(engine: ConversationEngine, valkey: ValkeyHandle, **options: Any) -> SessionsReport:
    kept = kept_under(SecretStr(valkey.url), "session:*")
    return await take_sessions(kept, engine.imports, default_owner=LOCAL, **{"is_tried_only": False, **options})


async def said_by(engine: ConversationEngine, owner: UserId) -> dict[str, Sequence[Message]]:
    found = (await engine.conversations.list_of(owner, ConversationFilter())).items
    return {
        one.metadata["imported"]["id"]: (await engine.conversations.list_messages(one.id, owner_id=owner)).items
        for one in found
    }


class TestTakeSessions:
    async def test_every_form_comes_once_and_goes_on_where_it_was(
        self, open_engine: OpenEngine, sessions: ValkeyHandle
    ) -> None:
        engine = await open_engine()
        fill(sessions)
        tried = await taken(engine, sessions, is_tried_only=True)
        assert (tried.keys, tried.conversations.conversations_added, tried.conversations.messages_added) == (6, 4, 8)
        assert await said_by(engine, ADA) == {}, "a dry run writes nothing"
        first = await taken(engine, sessions)
        assert first.owners == {ADA, LOCAL}
        assert first.conversations.lost_count == tried.conversations.lost_count == 2
        assert sorted(problem.position for problem in first.conversations.problems) == ["session:broken", "session:set"]
        hers, others = await said_by(engine, ADA), await said_by(engine, LOCAL)
        assert [(m.role, m.content) for m in hers["s-1"]] == [
            ("user", "What was the click rate?"),
            ("assistant", {"click_rate": 2.5}),
        ]
        assert hers["s-1"][0].created_at.isoformat() == "2025-01-31T19:30:00+00:00"
        assert hers["s-1"][1].metadata["intent"]["k"].startswith("é")
        assert [m.content for m in hers["s-4"]] == ["Welcome"]
        assert [m.role for m in others["s-2"]] == ["user", "assistant"]
        assert [m.content for m in others["s-3"]] == ["one", "two", "one"]
        [first_one] = [
            one
            for one in (await engine.conversations.list_of(ADA, ConversationFilter())).items
            if one.metadata["imported"]["id"] == "s-1"
        ]
        assert first_one.metadata["context"] == {"user_id": "ada", "market": "ES"}
        sessions.command("RPUSH", "session:local:s-3", json.dumps({"role": "assistant", "content": "three"}))
        again = await taken(engine, sessions)
        report = again.conversations
        assert (report.conversations_added, report.conversations_extended, report.conversations_known) == (0, 1, 3)
        assert report.messages_added == 1
        assert int(sessions.command("TTL", "session:s-1")) > 800, "nothing is changed there"
