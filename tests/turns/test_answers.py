"""Turns by their own ids, and what goes with them: on both databases."""

from typing import Any

import pytest

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidTextError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.testing import Pause, Say, ScriptedModel
from conversation_engine.turns.errors import TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.types import BusyPolicy, NewTurn, Turn
from tests.conftest import OpenEngine

ADA = UserId("ada")


def said(role: MessageRole, text: str) -> NewMessage:
    return NewMessage(id=MessageId(new_id()), role=role, content=text)


async def answered(engine: ConversationEngine, text: str, **fields: Any) -> Turn:
    """A turn in a new conversation, unless `fields` names one, to its end."""
    starts = None if "conversation_id" in fields else NewConversation(owner_id=ADA, type="response")
    fields.setdefault("conversation_id", ConversationId(new_id()))
    turn = await engine.turns.submit(NewTurn(owner_id=ADA, content=text, starts=starts, **fields))
    return (await engine.turns.wait(turn)).turn


class TestPreceding:
    async def test_it_is_said_with_the_turn_all_or_nothing(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        before = [said(MessageRole.SYSTEM, "Rhyme."), said(MessageRole.USER, "One"), said(MessageRole.ASSISTANT, "Two")]
        turn = await answered(engine, "Three", preceding=before)
        inputs = await engine.dialects.answers.inputs(turn)
        assert [(one.role.value, one.content) for one in inputs] == [
            ("system", "Rhyme."),
            ("user", "One"),
            ("assistant", "Two"),
            ("user", "Three"),
        ]
        path = (await engine.conversations.path(turn.conversation_id, owner_id=ADA)).items
        assert [one.parent_id for one in path] == [None, *(one.id for one in path[:-1])]
        bad = [said(MessageRole.USER, "z"), said(MessageRole.USER, "\0")]
        with pytest.raises(InvalidTextError):
            await answered(engine, "y", conversation_id=turn.conversation_id, preceding=bad)
        assert (await engine.conversations.get(turn.conversation_id, owner_id=ADA)).message_count == 5

    async def test_it_never_waits_in_line(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("Once "), Pause(30)]))
        conversation = await engine.conversations.create(NewConversation(owner_id=ADA))
        running = await engine.turns.submit(NewTurn(conversation_id=conversation.id, owner_id=ADA, content="x"))
        with pytest.raises(TurnInProgressError):
            await answered(
                engine,
                "y",
                conversation_id=conversation.id,
                preceding=[said(MessageRole.USER, "z")],
                on_busy=BusyPolicy.QUEUE,
            )
        await engine.turns.cancel(conversation.id, running.id, owner_id=ADA)

    async def test_what_stands_under_a_parent_branches_there(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        first = await answered(engine, "One")
        await answered(engine, "Two", conversation_id=first.conversation_id)
        beside = await answered(
            engine,
            "Four",
            conversation_id=first.conversation_id,
            parent_id=first.reply_message_id,
            preceding=[said(MessageRole.USER, "Three")],
        )
        path = (await engine.conversations.path(first.conversation_id, owner_id=ADA)).items
        assert [one.content for one in path] == ["One", "One", "Three", "Four", "Four"]
        assert [one.content for one in await engine.dialects.answers.inputs(beside)] == ["Three", "Four"]


class TestForget:
    async def test_it_leaves_what_others_build_upon(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        answers = engine.dialects.answers
        first = await answered(engine, "One")
        second = await answered(engine, "Two", conversation_id=first.conversation_id)
        with pytest.raises(ConversationForbiddenError):
            await answers.forget(first.id, owner_id=UserId("bob"), made_for="response")
        await answers.forget(first.id, owner_id=ADA, made_for="response")
        with pytest.raises(TurnNotFoundError):
            await answers.get(first.id, owner_id=ADA)
        assert (await engine.conversations.get(first.conversation_id, owner_id=ADA)).message_count == 4
        await answers.forget(second.id, owner_id=ADA, made_for="response")
        left = await engine.conversations.get(first.conversation_id, owner_id=ADA)
        assert (left.message_count, left.active_leaf_id) == (2, first.reply_message_id)

    async def test_the_last_one_takes_the_conversation_along_but_not_its_cost(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        turn = await answered(engine, "One")
        await engine.dialects.answers.forget(turn.id, owner_id=ADA, made_for="response")
        with pytest.raises(ConversationNotFoundError):
            await engine.conversations.get(turn.conversation_id, owner_id=ADA)
        assert len(await engine.database.read(lambda tx: engine.llm.attempts_of(tx, turn.id))) == 1

    async def test_a_conversation_made_for_something_else_keeps_its_words(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        turn = await answered(engine, "One")
        await engine.dialects.answers.forget(turn.id, owner_id=ADA, made_for="something else")
        assert (await engine.conversations.get(turn.conversation_id, owner_id=ADA)).message_count == 2
