"""Older messages that have to do with the question, on both databases."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from conversation_engine.domains.context.recall import NOTE_HEAD
from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.db.words import numbers_in_conversation
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.windows import RecallScope, WindowOptions, WindowStrategy
from conversation_engine.testing import ScriptedModel
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, answered, ask, begin, left_alone, rows

SMALL = {"model_context_tokens": 900, "reply_limit_tokens": 64, "recall_share": 0.2}
USER_WIDE = WindowOptions(recall_scope=RecallScope.USER)


async def say(
    engine: ConversationEngine,
    conversation_id: ConversationId,
    *texts: str,
    role: MessageRole = MessageRole.USER,
    owner: UserId = ADA,
    parent: MessageId | None = None,
) -> list[MessageId]:
    ids = []
    for content in texts:
        new = NewMessage(id=MessageId(new_id()), role=role, content=content, parent_id=parent)
        parent = None
        ids.append((await engine.conversations.add_message(conversation_id, new, owner_id=owner)).id)
    return ids


async def learned(engine: ConversationEngine, conversation_id: ConversationId, **fields: Any) -> None:
    """After a turn has ended, its task learns what left its window."""
    turn = await ask(engine, conversation_id, "small talk", **fields)
    await answered(engine, turn)
    await left_alone(turn)


async def chatter(engine: ConversationEngine, conversation_id: ConversationId, messages: int = 120) -> None:
    for number in range(messages):
        role = MessageRole.USER if number % 2 == 0 else MessageRole.ASSISTANT
        await say(engine, conversation_id, f"small talk {number} about weather and supper", role=role)
    await learned(engine, conversation_id)


async def recalled(
    engine: ConversationEngine, conversation_id: ConversationId, question: str, **wishes: Any
) -> Sequence[int]:
    window = await engine.turns.preview(conversation_id, owner_id=ADA, query=question, **wishes)
    part = window.manifest["recalled"]
    assert window.input_tokens <= window.manifest["budget_tokens"]
    if part is None:
        return []
    assert window.messages[-2].text.startswith(NOTE_HEAD)
    return [one["number"] for one in part["messages"]]


class TestRecall:
    async def test_brings_back_what_a_question_is_about(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model, **SMALL)
        conversation = await begin(engine)
        await say(engine, conversation.id, "What is your sister's name?", role=MessageRole.ASSISTANT)
        await say(engine, conversation.id, "Philippa, and she keeps bees in Cornwall.")
        await chatter(engine, conversation.id)
        assert 2 in await recalled(engine, conversation.id, "Where does Philippa keep her bees?")
        assert 2 in await recalled(engine, conversation.id, "Do you remember what my sister is called?")
        assert await recalled(engine, conversation.id, "Which chess opening should I learn?") == []
        turn = await ask(engine, conversation.id, "Tell me about bee keeping in Cornwall.")
        await answered(engine, turn)
        note, question = (message.content for message in model.requests[-1].messages[-2:])
        assert "user: Philippa, and she keeps bees" in note
        assert question == "Tell me about bee keeping in Cornwall."
        assert model.requests[-1].stable_messages == len(model.requests[-1].messages) - 2

    async def test_is_not_needed_while_everything_fits(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await say(engine, conversation.id, "Philippa keeps bees.")
        assert await recalled(engine, conversation.id, "Who keeps bees?") == []

    async def test_is_off_where_the_strategy_has_none(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine)
        await say(engine, conversation.id, "Philippa keeps bees.")
        await chatter(engine, conversation.id)
        wish = WindowOptions(strategy=WindowStrategy.TOKEN_BUDGET)
        assert await recalled(engine, conversation.id, "Who keeps bees?", options=wish) == []

    async def test_never_looks_into_what_others_said(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        bob = UserId("bob")
        his = await engine.conversations.create(NewConversation(owner_id=bob))
        await say(engine, his.id, "Philippa keeps bees.", owner=bob)
        mine = await begin(engine)
        await chatter(engine, mine.id)
        for wish in (WindowOptions(), USER_WIDE):
            assert await recalled(engine, mine.id, "Who keeps bees?", options=wish) == []

    async def test_looks_into_ones_other_conversations_where_that_is_wanted(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        other, mine = await begin(engine), await begin(engine)
        await say(engine, other.id, "Philippa keeps bees.")
        await learned(engine, other.id, window=USER_WIDE)
        await say(engine, mine.id, "Good morning.")
        assert await recalled(engine, mine.id, "Who keeps bees?") == []
        assert await recalled(engine, mine.id, "Who keeps bees?", options=USER_WIDE) == [1]
        window = await engine.turns.preview(mine.id, owner_id=ADA, query="Who keeps bees?", options=USER_WIDE)
        assert "user (in another conversation): Philippa" in window.messages[-2].text
        assert window.manifest["recalled"]["messages"][0]["conversation_id"] == other.id

    async def test_stays_on_the_path(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine)
        [root] = await say(engine, conversation.id, "Hello.")
        await say(engine, conversation.id, "Philippa keeps bees.", parent=root)
        await say(engine, conversation.id, "Quentin keeps wasps.", parent=root)
        await chatter(engine, conversation.id)
        assert await recalled(engine, conversation.id, "And the bees?") == []
        assert await recalled(engine, conversation.id, "And the wasps?") == [3]

    @pytest.mark.parametrize(
        "odd", ["\"*()'", "NEAR(a b) OR *", "a:b -c ^d", "the of and", "🐝🐝", "naïve café", "x" * 500]
    )
    async def test_takes_any_question(self, open_engine: OpenEngine, odd: str) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine)
        await chatter(engine, conversation.id, 100)
        assert isinstance(await recalled(engine, conversation.id, odd), list)


class TestIndex:
    async def told(self, engine: ConversationEngine, *texts: str) -> ConversationId:
        conversation = await begin(engine)
        await say(engine, conversation.id, *texts)
        await learned(engine, conversation.id, window=USER_WIDE)
        return conversation.id

    async def hits(self, engine: ConversationEngine, conversation_id: ConversationId, word: str) -> list[int]:
        found = await engine.database.read(
            lambda tx: numbers_in_conversation(tx, [word], conversation_id=conversation_id, before=10**6, most=50)
        )
        return sorted(found[0])

    async def test_forgets_a_message_that_is_deleted(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation_id = await self.told(engine, "Bees sting.", "My bees do not.")
        assert await self.hits(engine, conversation_id, "bee") == [1, 2]
        page = await engine.conversations.list_messages(conversation_id, owner_id=ADA)
        await engine.turns.delete_message(conversation_id, page.items[1].id, owner_id=ADA)
        assert await self.hits(engine, conversation_id, "bee") == [1]

    async def test_forgets_a_conversation_that_is_deleted(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation_id, other_id = await self.told(engine, "Bees sting."), await self.told(engine, "Bees sting.")
        await engine.conversations.delete(conversation_id, owner_id=ADA)
        assert await self.hits(engine, conversation_id, "bee") == []
        assert await self.hits(engine, other_id, "bee") == [1]
        table = "message_words_rooms" if "sqlite" in engine.database.url else "message_words"
        left = await rows(engine, f"SELECT DISTINCT conversation_id FROM {table}")
        assert len(left) == 1

    async def test_learns_nothing_while_everything_fits(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await say(engine, conversation.id, "Bees sting.")
        await learned(engine, conversation.id)
        assert await self.hits(engine, conversation.id, "bee") == []
        assert (await engine.conversations.get(conversation.id, owner_id=ADA)).words_through == 0

    async def test_learns_each_message_once_and_deletes_what_it_never_knew(self, open_engine: OpenEngine) -> None:
        """A contentless index that is told to forget what it does not have is broken for good."""
        engine = await open_engine(ScriptedModel())
        conversation_id = await self.told(engine, "Bees sting.")
        for _ in range(2):
            await learned(engine, conversation_id, window=USER_WIDE)
        [unknown] = await say(engine, conversation_id, "Wasps sting, too.")
        await engine.turns.delete_message(conversation_id, unknown, owner_id=ADA)
        await learned(engine, conversation_id, window=USER_WIDE)
        assert await self.hits(engine, conversation_id, "bee") == [1]
        assert await self.hits(engine, conversation_id, "wasp") == []
        if "sqlite" in engine.database.url:
            check = "INSERT INTO message_words (message_words) VALUES ('integrity-check')"
            await engine.database.write(lambda tx: tx.execute(text(check)))

    async def test_survives_a_vacuum(self, open_engine: OpenEngine) -> None:
        """Which gives new row ids to rows that have no integer for a key."""
        engine = await open_engine(ScriptedModel())
        if "sqlite" not in engine.database.url:
            pytest.skip("SQLite only")
        gone = await self.told(engine, "One.", "Two.")
        conversation_id = await self.told(engine, "Nothing.", "Bees sting.")
        await engine.conversations.delete(gone, owner_id=ADA)
        path = engine.database.url.removeprefix("sqlite:///")
        await engine.aclose()
        with sqlite3.connect(path) as sql:
            sql.execute("VACUUM")
        again = await open_engine(ScriptedModel())
        assert await self.hits(again, conversation_id, "bee") == [2]
