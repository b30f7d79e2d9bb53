"""Models that fail before the first word are asked again, others instead; what breaks later is never glued together."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.conversations.types import MessageStatus
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    ModelError,
    ModelRateLimitedError,
    OverloadedError,
    StreamCutError,
)
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.types import ReplyDelta, Turn, TurnEnded, TurnRestarted, TurnState
from tests.conftest import OpenEngine, until
from tests.turns.scenes import ADA, answered, ask, begin, count, messages_of, rows

RETRYING: dict[str, Any] = {"retry_count": 2, "retry_base_seconds": 0.001}


async def followed(engine: Any, turn: Turn) -> tuple[list[str], TurnEnded]:
    """The texts that a watcher had, one for each beginning, and the end."""
    texts = [""]
    async with asyncio.timeout(10):
        async for event in engine.turns.follow(turn):
            match event:
                case ReplyDelta(text=text):
                    texts[-1] += text
                case TurnRestarted():
                    texts.append("")
                case TurnEnded():
                    return texts, event
    raise AssertionError("a stream ends with TurnEnded")


class TestBeforeTheFirstWord:
    async def test_the_user_notices_nothing_and_every_call_is_on_record(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(OverloadedError("one"))], [Fail(ModelRateLimitedError("two"))], [Say("hello")])
        engine = await open_engine(model, **RETRYING)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        texts, ended = await followed(engine, turn)
        assert (texts, ended.detail.turn.state) == (["hello"], TurnState.COMPLETED)
        assert ended.detail.turn.attempt == 1
        found = await rows(engine, "SELECT attempt, status, error_code, error_cause FROM llm_requests ORDER BY attempt")
        assert [tuple(row.values()) for row in found] == [
            (1, "failed", "model_overloaded", "one"),
            (2, "failed", "model_rate_limited", "two"),
            (3, "completed", None, None),
        ]
        assert await engine.turns.get(conversation.id, turn.id, owner_id=ADA) == ended.detail

    async def test_a_fallback_model_answers_and_its_name_is_on_the_reply(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(AuthenticationError())], [Say("hello")])
        engine = await open_engine(model, fallback_models=["scripted/other"])
        detail = await answered(engine, await ask(engine, (await begin(engine)).id))
        assert detail.turn.model == "scripted/test"
        assert [attempt.model for attempt in detail.attempts] == ["test", "other"]
        assert detail.reply is not None
        assert detail.reply.metadata["model"] == "other"

    async def test_cancelling_between_two_tries_ends_the_turn_at_once(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(ModelRateLimitedError(retry_after_seconds=15))])
        engine = await open_engine(model, retry_count=2)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await until(lambda: len(model.requests) == 1)
        async with asyncio.timeout(5):
            detail = await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA)
        assert detail.turn.state is TurnState.CANCELLED
        assert [attempt.error_code for attempt in detail.attempts] == ["model_rate_limited"]


class TestAfterTheFirstWord:
    async def test_what_was_said_is_kept_and_the_turn_failed(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("Once upon"), Fail(StreamCutError())])
        engine = await open_engine(model, **RETRYING, fallback_models=["scripted/other"])
        texts, ended = await followed(engine, await ask(engine, (await begin(engine)).id))
        assert (texts, ended.detail.turn.state) == (["Once upon"], TurnState.FAILED)
        assert len(model.requests) == 1

    @pytest.mark.parametrize("is_elsewhere", [False, True], ids=["the same process", "another"])
    async def test_or_the_reply_begins_anew_and_watchers_are_told(
        self, open_engine: OpenEngine, is_elsewhere: bool
    ) -> None:
        model = ScriptedModel([Say("Once upon"), Pause(0.6), Fail(StreamCutError())], [Say("Call me"), Say(" Ishmael")])
        engine = await open_engine(model, on_broken_reply="retry")
        watched = await open_engine(ScriptedModel()) if is_elsewhere else engine
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        texts, ended = await followed(watched, turn)
        assert texts == ["Once upon", "Call me Ishmael"]
        assert (ended.detail.turn.state, ended.detail.turn.attempt) == (TurnState.COMPLETED, 2)
        _, reply = await messages_of(engine, conversation.id)
        assert (reply.content, reply.status) == ("Call me Ishmael", MessageStatus.COMPLETE)
        assert [(one.attempt, one.error_code) for one in ended.detail.attempts] == [(1, "stream_cut"), (2, None)]
        assert await count(engine, "reply_checkpoints") == 0
        assert await count(engine, "llm_requests") == 2

    async def test_both_beginnings_are_paid_for(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("Once upon"), Fail(StreamCutError())], [Say("Call me")])
        prices = {"scripted/*": PriceSetting(input=Decimal(1), output=Decimal(1))}
        engine = await open_engine(model, on_broken_reply="retry", model_prices=prices)
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id))
        costs = [attempt.cost for attempt in detail.attempts]
        assert all(cost is not None and cost > 0 for cost in costs)
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert after.cost == sum((cost for cost in costs if cost is not None), Decimal(0))

    async def test_it_begins_anew_once(self, open_engine: OpenEngine) -> None:
        scripts = [[Say(f"beginning {number}"), Fail(StreamCutError())] for number in range(3)]
        engine = await open_engine(ScriptedModel(*scripts), on_broken_reply="retry")
        texts, ended = await followed(engine, await ask(engine, (await begin(engine)).id))
        assert texts[-1] == "beginning 1"
        assert (ended.detail.turn.state, len(ended.detail.attempts)) == (TurnState.FAILED, 2)

    @pytest.mark.parametrize("error", [AuthenticationError()])
    async def test_not_for_what_will_fail_again(self, open_engine: OpenEngine, error: ModelError) -> None:
        engine = await open_engine(ScriptedModel([Say("one"), Fail(error)]), on_broken_reply="retry")
        texts, ended = await followed(engine, await ask(engine, (await begin(engine)).id))
        assert (texts, ended.detail.turn.state) == (["one"], TurnState.FAILED)

    async def test_a_turn_that_is_not_ours_any_more_is_left_alone(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("one"), Pause(0.3), Fail(StreamCutError())])
        engine = await open_engine(model, on_broken_reply="retry")
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await until(lambda: bool(model.requests))
        await engine.conversations.delete(conversation.id, owner_id=ADA)
        await until(lambda: engine.turns._runner.find(turn.id) is None)
        assert len(model.requests) == 1
        assert await count(engine, "reply_checkpoints") == 0
