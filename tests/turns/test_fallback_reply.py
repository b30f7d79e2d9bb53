"""When no model can answer, something is said in its place: marked, for free, and never shown to a model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.conversations.types import MessageStatus
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    ModelRateLimitedError,
    ModelTimeoutError,
    OverloadedError,
    StreamCutError,
)
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine, until
from tests.turns.scenes import ADA, answered, ask, begin, collect, count, messages_of, rows

SORRY = "I cannot answer right now."
BUSY: dict[str, Any] = {"fallback_reply": SORRY, "fallback_replies": {"tutoring": "Your tutor is away.", "api": ""}}


def said(messages: Sequence[LLMMessage]) -> list[str]:
    return [message.content for message in messages]


class TestFallbackReply:
    @pytest.mark.parametrize(
        "error",
        [
            OverloadedError("why"),
            AuthenticationError("why"),
            ModelRateLimitedError("why"),
            ModelTimeoutError("connect", "why"),
        ],
        ids=lambda error: error.code,
    )
    async def test_is_said_marked_and_free_and_operators_find_the_cause(
        self, open_engine: OpenEngine, error: ModelError
    ) -> None:
        engine = await open_engine(ScriptedModel([Fail(error)]), **BUSY)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        deltas, ended = await collect(engine, turn)
        detail = ended.detail
        assert "".join(delta.text for delta in deltas) == SORRY
        assert (detail.turn.state, detail.turn.error and detail.turn.error.code) == (TurnState.FAILED, error.code)
        assert detail.reply is not None
        assert (detail.reply.content, detail.reply.status) == (SORRY, MessageStatus.FALLBACK)
        assert (detail.reply.cost, detail.reply.llm_request_id) == (Decimal(0), None)
        assert detail.reply.metadata["fallback"] is True
        _, stored = await messages_of(engine, conversation.id)
        assert stored == detail.reply
        assert await rows(engine, "SELECT error_cause FROM llm_requests") == [{"error_cause": "why"}]
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert (after.cost, after.input_tokens, after.output_tokens) == (Decimal(0), 0, 0)
        assert await count(engine, "reply_checkpoints") == 0

    async def test_who_resumes_or_comes_later_hears_the_same(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Fail(OverloadedError())]), **BUSY)
        other = await open_engine(ScriptedModel())
        turn = await ask(engine, (await begin(engine)).id)
        await answered(engine, turn)
        for after in (0, 5, len(SORRY)):
            deltas, ended = await collect(other, turn, after=after)
            assert "".join(delta.text for delta in deltas) == SORRY[after:]
            assert ended.offset == len(SORRY)

    @pytest.mark.parametrize(("kind", "text"), [("tutoring", "Your tutor is away."), ("api", None), ("general", SORRY)])
    async def test_each_type_of_conversation_may_have_its_own(
        self, open_engine: OpenEngine, kind: str, text: str | None
    ) -> None:
        engine = await open_engine(ScriptedModel([Fail(OverloadedError())]), **BUSY)
        detail = await answered(engine, await ask(engine, (await begin(engine, type=kind)).id))
        assert (detail.reply.content if detail.reply else None) == text

    async def test_no_model_is_shown_it_later(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("one")], [Fail(OverloadedError())], [Fail(OverloadedError())], [Say("four")])
        engine = await open_engine(model, **BUSY)
        conversation = await begin(engine)
        for question in ("1?", "2?", "3?", "4?"):
            await answered(engine, await ask(engine, conversation.id, question))
        assert said(model.requests[-1].messages) == ["1?", "one", "2?", "3?", "4?"]
        assert [message.content for message in await messages_of(engine, conversation.id)] == [
            *("1?", "one", "2?", SORRY, "3?", SORRY, "4?", "four")
        ]

    async def test_nor_on_a_branch(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(OverloadedError())], [Say("two")], [Say("other")], [Say("end")])
        engine = await open_engine(model, **BUSY)
        conversation = await begin(engine)
        first = await answered(engine, await ask(engine, conversation.id, "1?"))
        second = await answered(engine, await ask(engine, conversation.id, "2?"))
        assert first.reply is not None
        assert second.turn.user_message_id is not None
        await answered(engine, await ask(engine, conversation.id, "2 otherwise?", parent_id=first.reply.id))
        await answered(engine, await ask(engine, conversation.id, "3?"))
        assert said(model.requests[-1].messages) == ["1?", "2 otherwise?", "other", "3?"]

    async def test_however_many_there_are_the_window_is_filled_from_behind_them(self, open_engine: OpenEngine) -> None:
        """The newest are read in pages; fallback replies take no place in one."""
        model = ScriptedModel(
            [Say("first")], *([Fail(OverloadedError())] for _ in range(80)), [Say("last")], [Say("x")]
        )
        engine = await open_engine(model, circuit_faults=0, **BUSY)
        conversation = await begin(engine)
        for number in range(82):
            await answered(engine, await ask(engine, conversation.id, f"{number}?"))
        expected = ["0?", "first", *(f"{number}?" for number in range(1, 82))]
        assert said(model.requests[-1].messages) == expected
        # the same along a path
        leaf = (await messages_of(engine, conversation.id))[-1]
        await answered(engine, await ask(engine, conversation.id, "other?", parent_id=leaf.parent_id))
        assert said(model.requests[-1].messages) == [*expected, "other?"]

    async def test_a_fork_keeps_the_mark(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Fail(OverloadedError())]), **BUSY)
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id))
        assert detail.reply is not None
        fork = await engine.conversations.fork(conversation.id, detail.reply.id, owner_id=ADA)
        assert [message.status for message in await messages_of(engine, fork.id)][-1] is MessageStatus.FALLBACK

    @pytest.mark.parametrize("error", [BadModelRequestError(), ContentFilteredError(), ContextTooLongError()])
    async def test_is_not_said_where_the_user_can_do_something_about_it(
        self, open_engine: OpenEngine, error: ModelError
    ) -> None:
        engine = await open_engine(ScriptedModel([Fail(error)], [Fail(error)]), **BUSY)
        detail = await answered(engine, await ask(engine, (await begin(engine)).id))
        assert (detail.turn.state, detail.reply) == (TurnState.FAILED, None)

    async def test_is_never_glued_to_what_was_said(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("Once upon"), Fail(StreamCutError())]), **BUSY)
        detail = await answered(engine, await ask(engine, (await begin(engine)).id))
        assert detail.reply is not None
        assert (detail.reply.content, detail.reply.status) == ("Once upon", MessageStatus.PARTIAL)

    async def test_is_not_said_to_who_cancels(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Pause(60)])
        engine = await open_engine(model, **BUSY)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await until(lambda: bool(model.requests))
        detail = await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA)
        assert (detail.turn.state, detail.reply) == (TurnState.CANCELLED, None)

    async def test_it_is_what_the_settings_say_unless_they_are_changed(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        assert type(engine.settings)().fallback_reply_for("general").startswith("I cannot answer right now")
