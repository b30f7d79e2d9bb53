"""What the model is shown in turns: over both databases, with the settings, wishes and pins of real conversations."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from conversation_engine.domains.context.errors import MessageTooLongError
from conversation_engine.domains.conversations.errors import MessageNotFoundError, TooManyPinsError
from conversation_engine.domains.conversations.types import MessageRole, NewMessage
from conversation_engine.domains.llm.errors import ContextTooLongError
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, tokens_for
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId
from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowOptions, WindowStrategy
from conversation_engine.testing import Fail, Say, ScriptedModel
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, answered, ask, begin, rows
from tests.turns.test_spending import bound

SMALL = {"model_context_tokens": 512, "reply_limit_tokens": 64, "recall_limit_messages": 0}
"""A model with room for some forty short messages."""


async def lengthen(engine: ConversationEngine, conversation_id: ConversationId, messages: int) -> list[MessageId]:
    ids = []
    for number in range(messages):
        role = MessageRole.USER if number % 2 == 0 else MessageRole.ASSISTANT
        new = NewMessage(id=MessageId(new_id()), role=role, content=f"message {number}")
        ids.append((await engine.conversations.add_message(conversation_id, new, owner_id=ADA)).id)
    return ids


async def shown(engine: ConversationEngine, conversation_id: ConversationId, **wishes: Any) -> Sequence[str]:
    window = await engine.turns.preview(conversation_id, owner_id=ADA, **wishes)
    return [message.text for message in window.messages]


async def manifest_of(engine: ConversationEngine, conversation_id: ConversationId, turn_id: TurnId) -> dict[str, Any]:
    manifest = await engine.turns.manifest(conversation_id, turn_id, owner_id=ADA)
    assert manifest is not None
    return manifest


class TestPreview:
    async def test_is_exactly_what_is_sent(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model, **SMALL)
        conversation = await begin(engine, system_prompt="You are Mr Darcy.")
        ids = await lengthen(engine, conversation.id, 100)
        await engine.pins.pin(conversation.id, ids[3], owner_id=ADA)
        for question in ("And then?", "Why?", "Since when?"):
            expected = await engine.turns.preview(conversation.id, owner_id=ADA, query=question)
            turn = await ask(engine, conversation.id, question)
            await answered(engine, turn)
            sent = model.requests[-1]
            assert [tuple(message) for message in sent.messages] == [(m.role, m.text) for m in expected.messages]
            assert sent.stable_messages == expected.stable_messages == len(expected.messages) - 1
            assert await manifest_of(engine, conversation.id, turn.id) == expected.manifest

    async def test_says_nothing_and_asks_nobody(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        assert await shown(engine, conversation.id, query="Hello?") == ["Hello?"]
        assert not model.requests
        assert (await engine.conversations.get(conversation.id, owner_id=ADA)).message_count == 0


class TestStrategy:
    async def test_is_that_of_the_request_then_the_conversation_then_its_type(self, open_engine: OpenEngine) -> None:
        last, budget = WindowStrategy.LAST_MESSAGES, WindowStrategy.TOKEN_BUDGET
        engine = await open_engine(ScriptedModel(), window_strategy_by_type={"support": last}, window_last_messages=3)
        support = await begin(engine, type="support")
        own = await begin(engine, type="support", window=WindowOptions(strategy=last, last_messages=2))
        for conversation, count in ((support, 3), (own, 2)):
            await lengthen(engine, conversation.id, 9)
            assert len(await shown(engine, conversation.id)) == count
            wish = WindowOptions(strategy=budget)
            assert len(await shown(engine, conversation.id, options=wish)) == 9
            turn = await ask(engine, conversation.id, "q", window=WindowOptions(last_messages=1, strategy=last))
            await answered(engine, turn)
            assert (await manifest_of(engine, conversation.id, turn.id))["sent"]["count"] == 1

    async def test_of_a_conversation_can_be_changed(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await lengthen(engine, conversation.id, 9)
        wish = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, recall_scope=RecallScope.USER)
        changed = await engine.conversations.change(conversation.id, owner_id=ADA, window=wish)
        assert changed.window == wish
        assert len(await shown(engine, conversation.id)) == 5

    def test_with_a_wrong_word_is_refused(self) -> None:
        for wrong in ({"strategy": "all"}, {"budget": 5}, {"last_messages": 0}):
            with pytest.raises(InvalidInputError):
                WindowOptions.from_json(wrong)


class TestStart:
    async def test_stays_until_the_window_is_full_and_then_leaps(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine, system_prompt="P" * 40)
        starts, shares = [], []
        for number in range(60):
            turn = await ask(engine, conversation.id, f"question {number} about nothing in particular")
            await answered(engine, turn)
            manifest = await manifest_of(engine, conversation.id, turn.id)
            starts.append(manifest["sent"]["first"])
            if number:
                shares.append(manifest["prefix"]["share"])
        leaps = [after - before for before, after in pairwise(starts) if after != before]
        assert 3 <= len(leaps) <= 10
        assert min(leaps) >= 8
        assert sum(shares) / len(shares) > 0.75
        stored = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert stored.window_start == starts[-1]

    async def test_of_a_turn_is_known_to_other_processes(self, open_engine: OpenEngine) -> None:
        one, other = await open_engine(ScriptedModel(), **SMALL), await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(one)
        await lengthen(one, conversation.id, 100)
        for engine in (one, other, one, other):
            first = (await one.turns.preview(conversation.id, owner_id=ADA, query="q")).manifest["sent"]
            turn = await ask(engine, conversation.id, "q")
            await answered(engine, turn)
            assert (await manifest_of(engine, conversation.id, turn.id))["sent"] == first


class TestPins:
    async def test_keep_a_message_in_the_window_however_old_it_is(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine, system_prompt="Prompt.")
        ids = await lengthen(engine, conversation.id, 200)
        pinned = await engine.pins.pin(conversation.id, ids[0], owner_id=ADA)
        assert pinned.is_pinned
        assert (await shown(engine, conversation.id))[:2] == ["Prompt.", "message 0"]
        await engine.pins.unpin(conversation.id, ids[0], owner_id=ADA)
        assert "message 0" not in await shown(engine, conversation.id)
        assert not (await engine.conversations.get(conversation.id, owner_id=ADA)).has_pins

    async def test_are_few_and_of_this_conversation(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), pin_limit_messages=2)
        conversation, other = await begin(engine), await begin(engine)
        ids = await lengthen(engine, conversation.id, 3)
        for message_id in (ids[0], ids[1], ids[1]):
            await engine.pins.pin(conversation.id, message_id, owner_id=ADA)
        with pytest.raises(TooManyPinsError):
            await engine.pins.pin(conversation.id, ids[2], owner_id=ADA)
        with pytest.raises(MessageNotFoundError):
            await engine.pins.pin(other.id, ids[0], owner_id=ADA)

    async def test_of_another_branch_are_not_shown(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine)
        ids = await lengthen(engine, conversation.id, 2)
        left = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="left", parent_id=ids[1])
        right = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="right", parent_id=ids[1])
        for branch in (left, right):
            await engine.conversations.add_message(conversation.id, branch, owner_id=ADA)
            await engine.pins.pin(conversation.id, branch.id, owner_id=ADA)
        await lengthen(engine, conversation.id, 150)
        assert (await shown(engine, conversation.id))[0] == "right"
        assert "left" not in await shown(engine, conversation.id)

    async def test_go_with_a_fork(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), **SMALL)
        conversation = await begin(engine)
        ids = await lengthen(engine, conversation.id, 150)
        await engine.pins.pin(conversation.id, ids[0], owner_id=ADA)
        fork = await engine.conversations.fork(conversation.id, ids[-1], owner_id=ADA)
        assert (await shown(engine, fork.id))[0] == "message 0"


class TestTooLong:
    async def test_a_message_is_refused_or_cut_as_the_policy_says(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("read it")])
        engine = await open_engine(model, **SMALL)
        conversation = await begin(engine)
        long = "It was a dark and stormy night. " * 200
        with pytest.raises(MessageTooLongError):
            await engine.turns.preview(conversation.id, owner_id=ADA, query=long)
        turn = await ask(engine, conversation.id, long, window=WindowOptions(too_long=TooLongPolicy.CUT))
        assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED
        assert "tokens left out" in model.requests[0].messages[-1].content
        [row] = await rows(engine, "SELECT content FROM messages WHERE role = 'user'")
        assert row["content"] == long

    async def test_a_prompt_that_the_provider_refuses_is_shrunk_once(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(ContextTooLongError("4097 > 4096"))], [Say("now it fits")])
        engine = await open_engine(model, **SMALL)
        conversation = await begin(engine)
        await lengthen(engine, conversation.id, 100)
        turn = await ask(engine, conversation.id, "q")
        detail = await answered(engine, turn)
        assert detail.turn.state is TurnState.COMPLETED
        assert [attempt.attempt for attempt in detail.attempts] == [1, 2]
        first, second = model.requests
        assert len(second.messages) < len(first.messages)
        shrunk = (await manifest_of(engine, conversation.id, turn.id))["shrunk"]
        assert shrunk["reason"] == "the provider found it too long"

    async def test_and_no_more_than_once(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel(*[[Fail(ContextTooLongError("no"))]] * 3)
        engine = await open_engine(model, **SMALL)
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id, "q"))
        assert detail.turn.error is not None
        assert detail.turn.error.code == "context_too_long"
        assert len(model.requests) == 2


class TestCounts:
    async def test_are_the_models_own_once_whoever_counted_before(self, open_engine: OpenEngine) -> None:
        """A reply's `token_count` is its provider's: for the window it must not be multiplied by the ratio again."""
        told = TokenUsage(input_tokens=10, cached_tokens=0, output_tokens=4000)
        engine = await open_engine(ScriptedModel([Say("A broad one.")], usage=told), **SMALL)
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id, "What is a shield volcano?"))
        assert detail.reply is not None
        assert detail.reply.token_count == 4000
        elsewhere = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="And another?", token_count=3000)
        last = await engine.conversations.add_message(conversation.id, elsewhere, owner_id=ADA)
        fork = await engine.conversations.fork(conversation.id, last.id, owner_id=ADA)
        card = engine.llm.card(None)
        for talk in (conversation.id, fork.id):
            window = await engine.turns.preview(talk, owner_id=ADA, query="Why?")
            said = [message.text for message in window.messages]
            assert said == ["What is a shield volcano?", "A broad one.", "And another?", "Why?"]
            assert window.input_tokens == sum(tokens_for(card, text) + MESSAGE_OVERHEAD_TOKENS for text in said)

    async def test_nor_do_they_make_a_budget_promise_more(self, open_engine: OpenEngine) -> None:
        told = TokenUsage(input_tokens=10, cached_tokens=0, output_tokens=300)
        engine = await open_engine(ScriptedModel(usage=told), **SMALL)
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id, "What is a shield volcano?"))
        await bound(engine, tokens=200)
        await answered(engine, await ask(engine, conversation.id, "Why?"))


class TestCost:
    async def test_a_window_of_a_very_long_conversation_takes_few_statements(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), model_context_tokens=8192)
        conversation = await begin(engine, system_prompt="Prompt.")
        await lengthen(engine, conversation.id, 1500)
        await asyncio.sleep(0.3)  # a process looks for lost turns once when it starts
        seen: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if "messages" in statement and statement.startswith(("SELECT", "WITH")):
                seen.append(statement)

        from sqlalchemy import Engine

        event.listen(Engine, "before_cursor_execute", note)
        try:
            window = await engine.turns.preview(conversation.id, owner_id=ADA, query="And message 7?")
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert window.manifest["dropped"]
        assert len(seen) <= 4

    async def test_the_account_of_it_is_small(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await lengthen(engine, conversation.id, 700)
        window = await engine.turns.preview(conversation.id, owner_id=ADA)
        assert len(window.messages) == 700
        assert len(str(window.manifest)) < 1000
