"""Turns that say something otherwise: edits, regenerated replies, and what the model is shown of a branched talk."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversation_engine.domains.conversations.errors import MessageNotFoundError
from conversation_engine.domains.conversations.types import BEGINNING, BusyPolicy, MessageRole, NewMessage
from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.testing import Fail, Say, ScriptedModel
from conversation_engine.turns.errors import NotEditableError, NothingToRegenerateError, TurnInProgressError
from conversation_engine.turns.types import NewTurn, Turn, TurnState
from tests.conftest import OpenEngine
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, answered, ask, begin, messages_of, rows
from tests.turns.test_repo import STATEMENTS_OF_A_TURN, WITHOUT_CHORES, counted, until_quiet


async def edit(engine: ConversationEngine, conversation_id: ConversationId, message_id: Any, content: str) -> Turn:
    new = NewTurn(conversation_id=conversation_id, owner_id=ADA, content=content)
    turn = await engine.turns.edit(message_id, new)
    await answered(engine, turn)
    return turn


async def regenerate(engine: ConversationEngine, conversation_id: ConversationId, message_id: Any) -> Turn:
    new = NewTurn(conversation_id=conversation_id, owner_id=ADA, content=None)
    turn = await engine.turns.regenerate(message_id, new)
    await answered(engine, turn)
    return turn


async def path(engine: ConversationEngine, conversation_id: ConversationId) -> list[Any]:
    page = await engine.conversations.path(conversation_id, owner_id=ADA, limit=200)
    return [message.content for message in page.items]


async def window(engine: ConversationEngine, conversation_id: ConversationId) -> list[str]:
    shown = await engine.turns.preview(conversation_id, owner_id=ADA)
    return [message.text for message in shown.messages]


class TestEdit:
    async def test_the_edited_message_stands_beside_the_old_one_and_is_answered(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("A1")], [Say("A2")], [Say("A2b")])
        engine = await open_engine(model)
        talk = await begin(engine)
        await answered(engine, await ask(engine, talk.id, "Q1"))
        second = await ask(engine, talk.id, "Q2")
        await answered(engine, second)
        turn = await edit(engine, talk.id, second.user_message_id, "Q2b")
        assert [message.content for message in model.requests[2].messages] == ["Q1", "A1", "Q2b"]
        assert await path(engine, talk.id) == ["Q1", "A1", "Q2b", "A2b"]
        assert [one.content for one in await messages_of(engine, talk.id)] == ["Q1", "A1", "Q2", "A2", "Q2b", "A2b"]
        assert turn.user_message_id is not None
        siblings = await engine.conversations.siblings(talk.id, turn.user_message_id, owner_id=ADA)
        assert [one.id for one in siblings] == [second.user_message_id, turn.user_message_id]

    async def test_of_the_first_message_begins_anew(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("A")], [Say("B")])
        engine = await open_engine(model)
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        await edit(engine, talk.id, turn.user_message_id, "Qb")
        assert [message.content for message in model.requests[1].messages] == ["Qb"]
        assert await path(engine, talk.id) == ["Qb", "B"]

    async def test_a_turn_may_name_its_parent(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        await answered(engine, await ask(engine, talk.id, "R", parent_id=turn.user_message_id))
        assert await path(engine, talk.id) == ["Q", "R", "R"]
        await answered(engine, await ask(engine, talk.id, "S", parent_id=BEGINNING))
        assert await path(engine, talk.id) == ["S", "S"]

    async def test_a_reply_is_not_edited(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        with pytest.raises(NotEditableError):
            await edit(engine, talk.id, turn.reply_message_id, "Mine")

    async def test_a_parent_that_is_not_there_leaves_nothing_behind(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        one, two = await begin(engine), await begin(engine)
        turn = await ask(engine, one.id, "Q")
        await answered(engine, turn)
        for content in ("R", None):
            for parent_id in (turn.user_message_id, MessageId(new_id())):
                with pytest.raises(MessageNotFoundError):
                    await ask(engine, two.id, content, parent_id=parent_id)
            with pytest.raises(InvalidIdError):
                await ask(engine, two.id, content, parent_id=MessageId("x"))
        with pytest.raises(MessageNotFoundError):
            await ask(engine, one.id, None, parent_id=BEGINNING)
        assert await messages_of(engine, two.id) == []
        assert [row["n"] for row in await rows(engine, "SELECT count(*) AS n FROM turns")] == [1]


class TestRegenerate:
    @pytest.mark.parametrize("named", ["user_message_id", "reply_message_id"])
    async def test_the_new_reply_stands_beside_the_old_one(self, open_engine: OpenEngine, named: str) -> None:
        model = ScriptedModel([Say("A")], [Say("B")])
        engine = await open_engine(model)
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        again = await regenerate(engine, talk.id, getattr(turn, named))
        assert [message.content for message in model.requests[1].messages] == ["Q"]
        assert again.user_message_id == turn.user_message_id
        assert await path(engine, talk.id) == ["Q", "B"]
        siblings = await engine.conversations.siblings(talk.id, turn.reply_message_id, owner_id=ADA)
        assert [one.content for one in siblings] == ["A", "B"]

    async def test_what_fails_leaves_the_old_reply_on_the_path(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("A")], [Fail(ModelError())], [Say("B")]))
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        await regenerate(engine, talk.id, turn.reply_message_id)
        assert await path(engine, talk.id) == ["Q", "A"]
        await answered(engine, await ask(engine, talk.id, "R"))
        assert await path(engine, talk.id) == ["Q", "A", "R", "B"]

    async def test_what_was_chosen_meanwhile_does_not_move_the_reply(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        talk = await begin(engine)
        first = await engine.conversations.add_message(talk.id, said("Q"), owner_id=ADA)
        await engine.conversations.add_message(talk.id, said("R"), owner_id=ADA)
        turn = await ask(engine, talk.id, None, parent_id=first.id)
        await engine.conversations.add_message(talk.id, said("S"), owner_id=ADA)
        model.say("A")
        model.finish()
        detail = await answered(engine, turn)
        assert detail.reply is not None
        assert detail.reply.parent_id == first.id
        assert await path(engine, talk.id) == ["Q", "A"]

    async def test_after_a_crash_the_same_message_is_answered_again(
        self, open_engine: OpenEngine, open_stale: OpenStale
    ) -> None:
        stale = await open_stale(ToldModel())
        talk = await begin(stale)
        first = await stale.conversations.add_message(talk.id, said("Q"), owner_id=ADA)
        await stale.conversations.add_message(talk.id, said("A", MessageRole.ASSISTANT), owner_id=ADA)
        turn = await ask(stale, talk.id, None, parent_id=first.id)
        model = ScriptedModel([Say("B")])
        engine = await open_engine(model, recovery="retry", sweep_seconds=0.1)
        detail = await answered(engine, turn)
        assert [message.content for message in model.requests[0].messages] == ["Q"]
        assert detail.reply is not None
        assert detail.reply.parent_id == first.id
        assert await path(engine, talk.id) == ["Q", "B"]

    async def test_a_greeting_answers_nothing(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        talk = await begin(engine)
        greeting = await engine.conversations.add_message(talk.id, said("Hi", MessageRole.ASSISTANT), owner_id=ADA)
        with pytest.raises(NothingToRegenerateError):
            await regenerate(engine, talk.id, greeting.id)


def said(content: str, role: MessageRole = MessageRole.USER, **fields: Any) -> NewMessage:
    return NewMessage(id=MessageId(new_id()), role=role, content=content, **fields)


class TestDeleteMessage:
    async def test_is_refused_while_a_turn_runs(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        assert turn.user_message_id is not None
        with pytest.raises(TurnInProgressError):
            await engine.turns.delete_message(talk.id, turn.user_message_id, owner_id=ADA)
        model.say("A")
        model.finish()
        await answered(engine, turn)
        assert await engine.turns.delete_message(talk.id, turn.user_message_id, owner_id=ADA) == 2
        assert (await engine.turns.get(talk.id, turn.id, owner_id=ADA)).reply is None

    async def test_and_a_regeneration_at_once_never_leave_a_dangling_reply(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        for _ in range(5):
            talk = await begin(engine)
            turn = await ask(engine, talk.id, "Q")
            await answered(engine, turn)
            assert turn.user_message_id is not None
            outcomes = await asyncio.gather(
                ask(engine, talk.id, None, parent_id=turn.user_message_id),
                engine.turns.delete_message(talk.id, turn.user_message_id, owner_id=ADA),
                return_exceptions=True,
            )
            match outcomes:
                case [Turn() as again, TurnInProgressError()]:
                    assert (await answered(engine, again)).turn.state is TurnState.COMPLETED
                case [Turn() as again, 3]:  # it had ended already
                    assert (await answered(engine, again)).reply is None
                case _:
                    assert isinstance(outcomes[0], MessageNotFoundError)
                    assert outcomes[1] == 2


class TestInLine:
    async def test_an_edit_and_a_regeneration_wait_for_their_turn(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        talk = await begin(engine)
        first = await ask(engine, talk.id, "Q")
        same = {"conversation_id": talk.id, "owner_id": ADA, "on_busy": BusyPolicy.QUEUE}
        assert first.user_message_id is not None
        edited = await engine.turns.edit(first.user_message_id, NewTurn(content="R", **same))
        again = await engine.turns.regenerate(first.user_message_id, NewTurn(content=None, **same))
        assert edited.state is again.state is TurnState.QUEUED
        for turn, answer in ((first, "A"), (edited, "B"), (again, "C")):
            model.say(answer)
            model.finish()
            detail = await answered(engine, turn)
            assert detail.reply is not None
            assert detail.reply.parent_id == detail.turn.user_message_id
        assert again.user_message_id == first.user_message_id
        assert await path(engine, talk.id) == ["Q", "C"]
        assert [one.content for one in await messages_of(engine, talk.id)] == ["Q", "A", "R", "B", "C"]

    @pytest.mark.parametrize("content", ["R", None])
    async def test_what_it_was_to_follow_may_be_gone(self, open_engine: OpenEngine, content: str | None) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        talk = await begin(engine)
        aside = await engine.conversations.add_message(talk.id, said("aside"), owner_id=ADA)
        turn = await ask(engine, talk.id, "Q", parent_id=BEGINNING)
        waiting = await ask(engine, talk.id, content, parent_id=aside.id, on_busy=BusyPolicy.QUEUE)
        await engine.conversations.delete_message(talk.id, aside.id, owner_id=ADA)
        with pytest.raises(MessageNotFoundError):
            await ask(engine, talk.id, content, parent_id=aside.id, on_busy=BusyPolicy.QUEUE)
        model.say("A")
        model.finish()
        await answered(engine, turn)
        detail = await answered(engine, waiting)
        assert detail.turn.state is TurnState.FAILED
        assert detail.turn.error is not None
        assert detail.turn.error.code == "message_not_found"
        now = await engine.conversations.get(talk.id, owner_id=ADA)
        assert (now.message_count, await path(engine, talk.id)) == (2, ["Q", "A"])


class TestWindow:
    async def test_of_a_long_branched_conversation_is_its_path(self, open_engine: OpenEngine) -> None:
        """Longer than the first page and the second one: pages of a path meet every message once."""
        engine = await open_engine(ScriptedModel(), **WITHOUT_CHORES)
        await until_quiet(engine)
        talk = await begin(engine)

        def work(tx: Any) -> None:
            first = said("first", token_count=1)
            engine.conversations.append(tx, talk.id, first, owner_id=ADA)
            engine.conversations.append(tx, talk.id, said("aside", token_count=1), owner_id=ADA)
            engine.conversations.append(tx, talk.id, said("0", token_count=1, parent_id=first.id), owner_id=ADA)
            for number in range(1, 400):
                engine.conversations.append(tx, talk.id, said(str(number), token_count=1), owner_id=ADA)

        await engine.database.write(work)
        with counted(engine) as seen:
            assert await window(engine, talk.id) == ["first", *[str(number) for number in range(400)]]
        assert seen == {"SELECT conversations": 1, "WITH path(id,": 2}

    async def test_of_a_branched_conversation_costs_the_same_statements(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **WITHOUT_CHORES)
        await until_quiet(engine)
        talk = await begin(engine)
        turn = await ask(engine, talk.id, "Q")
        await answered(engine, turn)
        await edit(engine, talk.id, turn.user_message_id, "R")
        with counted(engine) as seen:
            await answered(engine, await ask(engine, talk.id, "S"))
        expected = {name: n for name, n in STATEMENTS_OF_A_TURN.items() if name != "SELECT messages"}
        assert seen == {**expected, "WITH path(id,": 1}


OPERATIONS = ("append", "append", "ask", "edit", "regenerate", "choose", "delete")
for_a_while = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Model:
    """What the tree should look like: parents by id, in the order of writing, and the leaf."""

    parents: dict[str, str | None] = field(default_factory=dict)
    leaf: str | None = None

    def add(self, message_id: str, parent_id: str | None) -> None:
        self.parents[message_id] = parent_id
        self.leaf = message_id

    def path(self) -> list[str]:
        ids, here = [], self.leaf
        while here is not None:
            ids.append(here)
            here = self.parents[here]
        return ids[::-1]

    def below(self, message_id: str) -> list[str]:
        found = [message_id]
        for one, parent in self.parents.items():
            if parent in found:
                found.append(one)
        return found

    def delete(self, message_id: str) -> int:
        removed, parent = self.below(message_id), self.parents[message_id]
        for one in removed:
            del self.parents[one]
        if self.leaf in removed:
            self.leaf = parent
        return len(removed)


class Editor:
    """Does a random thing to a conversation and to the model of it."""

    def __init__(self, engine: ConversationEngine, talk: ConversationId) -> None:
        self.engine, self.talk, self.model = engine, talk, Model()
        self.roles: dict[str, MessageRole] = {}

    async def do(self, operation: str, pick: int) -> None:
        ids = list(self.model.parents)
        if operation == "append" or not ids:
            message = await self.engine.conversations.add_message(self.talk, said(f"said {pick}"), owner_id=ADA)
            self.model.add(message.id, self.model.leaf)
        elif operation == "ask":
            await self.turn(await ask(self.engine, self.talk, f"asked {pick}"), self.model.leaf)
        else:
            await getattr(self, operation)(MessageId(ids[pick % len(ids)]))

    async def turn(self, turn: Turn, parent_id: str | None) -> None:
        detail = await answered(self.engine, turn)
        assert detail.turn.state is TurnState.COMPLETED
        assert turn.user_message_id is not None
        if turn.user_message_id not in self.model.parents:
            self.model.add(turn.user_message_id, parent_id)
        self.model.add(turn.reply_message_id, turn.user_message_id)
        self.roles[turn.reply_message_id] = MessageRole.ASSISTANT

    async def edit(self, message_id: MessageId) -> None:
        if message_id in self.roles:
            with pytest.raises(NotEditableError):
                await edit(self.engine, self.talk, message_id, "edited")
            return
        await self.turn(await edit(self.engine, self.talk, message_id, "edited"), self.model.parents[message_id])

    async def regenerate(self, message_id: MessageId) -> None:
        await self.turn(await regenerate(self.engine, self.talk, message_id), None)

    async def choose(self, message_id: MessageId) -> None:
        await self.engine.conversations.choose(self.talk, message_id, owner_id=ADA)
        self.model.leaf = self.model.below(message_id)[-1]

    async def delete(self, message_id: MessageId) -> None:
        removed = await self.engine.turns.delete_message(self.talk, message_id, owner_id=ADA)
        assert removed == self.model.delete(message_id)

    async def check(self) -> None:
        stored = await messages_of(self.engine, self.talk)
        assert {message.id: message.parent_id for message in stored} == self.model.parents
        for message in stored:
            assert message.parent_id is None or message.parent_id in self.model.parents, "a dangling child"
        page = await self.engine.conversations.path(self.talk, owner_id=ADA, limit=200)
        assert [message.id for message in page.items] == self.model.path()
        now = await self.engine.conversations.get(self.talk, owner_id=ADA)
        assert (now.active_leaf_id, now.message_count) == (self.model.leaf, len(stored))
        numbers = [message.sequence_number for message in page.items]
        assert numbers == sorted(set(numbers))
        if page.items:
            assert await window(self.engine, self.talk) == [message.content for message in page.items]


class TestAnythingAtAll:
    @for_a_while
    @given(plan=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 20)), min_size=1, max_size=10))
    async def test_keeps_one_path_and_no_dangling_child(
        self, open_engine: OpenEngine, plan: list[tuple[str, int]]
    ) -> None:
        engine = await open_engine(ScriptedModel())
        editor = Editor(engine, (await begin(engine)).id)
        for operation, pick in plan:
            await editor.do(operation, pick)
            await editor.check()
