"""Whatever a model does, the turn ends in a defined state: the message is there, what was said is kept."""

import socket
import time
from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest

from conversation_engine.domains.conversations.types import MessageStatus
from conversation_engine.domains.llm.errors import (
    MalformedStreamError,
    ModelError,
    OverloadedError,
    StreamCutError,
)
from conversation_engine.domains.llm.types import (
    AttemptStatus,
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TextDelta,
    TokenUsage,
)
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.types import TurnDetail, TurnState
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, Watcher, answered, ask, begin, count, messages_of


class CrashingModel(ScriptedModel):
    """Has a defect."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta(text="one ")
        raise ZeroDivisionError("a secret of ours")


class FinishingModel(ScriptedModel):
    """Says a word and ends as told."""

    def __init__(self, finished: ReplyFinished) -> None:
        super().__init__()
        self._finished = finished

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta(text="one ")
        yield self._finished


async def fail_with(open_engine: OpenEngine, model: ScriptedModel, **settings: float) -> TurnDetail:
    """Ask a model that will fail; check what holds for every failure."""
    engine = await open_engine(model, **settings)
    conversation = await begin(engine)
    turn = await ask(engine, conversation.id, "anybody?")
    watcher = Watcher(engine, turn)
    detail = (await watcher.end()).detail
    messages = await messages_of(engine, conversation.id)
    assert detail.turn.state is TurnState.FAILED
    assert messages[0].content == "anybody?"
    assert [message.content for message in messages[1:]] == ([watcher.text] if watcher.text else [])
    assert all(message.status is MessageStatus.PARTIAL for message in messages[1:])
    assert await engine.turns.get(conversation.id, turn.id, owner_id=ADA) == detail
    assert await count(engine, "reply_checkpoints") == 0
    return detail


class TestFailure:
    @pytest.mark.parametrize("said", ["", "Once upon"])
    @pytest.mark.parametrize("error", [StreamCutError, MalformedStreamError, OverloadedError])
    async def test_of_the_provider_is_on_record(
        self, open_engine: OpenEngine, error: type[ModelError], said: str
    ) -> None:
        script = [*([Say(said)] if said else []), Fail(error("for the operator"))]
        detail = await fail_with(open_engine, ScriptedModel(script))
        [attempt] = detail.attempts
        assert detail.turn.error is not None
        assert (detail.turn.error.code, detail.turn.error.detail) == (error.code, error.sentence)
        assert (attempt.status, attempt.error_code, attempt.error_cause) == (
            AttemptStatus.FAILED,
            error.code,
            "for the operator",
        )
        assert (detail.reply.content if detail.reply else "") == said
        assert (attempt.first_token_ms is None) == (attempt.usage is None) == (not said)

    async def test_of_a_service_that_is_not_there(self, open_engine: OpenEngine) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        engine = await open_engine(openai_base_url=f"http://127.0.0.1:{port}/v1")
        conversation = await begin(engine, model="openai/test")
        detail = await answered(engine, await ask(engine, conversation.id))
        [attempt] = detail.attempts
        assert detail.turn.state is TurnState.FAILED
        assert (attempt.provider, attempt.model, attempt.error_code) == ("openai", "test", "model_unreachable")
        assert [message.content for message in await messages_of(engine, conversation.id)] == ["hi"]

    @pytest.mark.parametrize(
        ("script", "limits", "phase"),
        [
            ([Pause(60)], {"first_token_timeout_seconds": 0.1}, "first_token"),
            ([Say("a"), Say("b"), Pause(60)], {"between_tokens_timeout_seconds": 0.1}, "between_tokens"),
            ([line for _ in range(99) for line in (Say("a"), Pause(0.05))], {"total_timeout_seconds": 0.3}, "total"),
        ],
    )
    async def test_of_a_model_that_is_too_slow(
        self,
        open_engine: OpenEngine,
        script: list[Say | Pause | Fail],
        limits: dict[str, float],
        phase: str,
    ) -> None:
        model = ScriptedModel(script)
        started = time.monotonic()
        detail = await fail_with(open_engine, model, **limits)
        [attempt] = detail.attempts
        assert attempt.error_code == "model_timeout"
        assert attempt.error_cause == f"timed out: {phase}"
        assert attempt.latency_ms >= min(limits.values()) * 1000 - 1
        assert time.monotonic() - started < 8
        assert model.closed == 1

    async def test_of_our_own_tells_nobody_and_is_on_record(self, open_engine: OpenEngine) -> None:
        detail = await fail_with(open_engine, CrashingModel())
        assert detail.turn.error is not None
        assert "secret" not in detail.turn.error.detail
        assert detail.reply is not None
        assert detail.reply.content == "one "
        assert [attempt.status for attempt in detail.attempts] == [AttemptStatus.FAILED]

    async def test_of_a_message_that_is_too_long_calls_nobody(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        detail = await fail_with(open_engine, model, model_context_tokens=10)
        assert detail.turn.error is not None
        assert detail.turn.error.code == "message_too_long"
        assert (detail.attempts, model.requests) == ((), [])


class TestStrangeAnswer:
    """What a service says about a call is written down, however odd, and never keeps a turn from ending."""

    @pytest.mark.parametrize("cause", ["nul \x00", "half \ud800", "x" * 100_000])
    async def test_an_odd_cause(self, open_engine: OpenEngine, cause: str) -> None:
        detail = await fail_with(open_engine, ScriptedModel([Fail(OverloadedError(cause))]))
        assert detail.attempts[0].error_code == "model_overloaded"

    @pytest.mark.parametrize("reason", ["nul \x00", "half \ud800", "x" * 1000])
    async def test_an_odd_finish_reason(self, open_engine: OpenEngine, reason: str) -> None:
        engine = await open_engine(FinishingModel(ReplyFinished(finish_reason=reason, usage=None)))
        detail = await answered(engine, await ask(engine, (await begin(engine)).id))
        assert detail.turn.state is TurnState.COMPLETED

    @pytest.mark.parametrize(
        "usage",
        [
            TokenUsage(input_tokens=3, cached_tokens=9, output_tokens=1),
            TokenUsage(input_tokens=5, cached_tokens=3, output_tokens=1, cache_write_tokens=4, reasoning_tokens=2),
            TokenUsage(input_tokens=5, cached_tokens=0, output_tokens=1, cache_write_tokens=-4, reasoning_tokens=-2),
            TokenUsage(input_tokens=-1, cached_tokens=0, output_tokens=-1),
            TokenUsage(input_tokens=2**40, cached_tokens=0, output_tokens=2**40),
        ],
    )
    @pytest.mark.parametrize("model_name", ["scripted/test", "openai/gpt-4o"])
    async def test_odd_usage(self, open_engine: OpenEngine, usage: TokenUsage, model_name: str) -> None:
        engine = await open_engine(ScriptedModel())
        model = FinishingModel(ReplyFinished(finish_reason="stop", usage=usage))
        engine._catalog._families["openai"].provider.stream = model.stream  # type: ignore[method-assign]
        engine._catalog._families["scripted"].provider.stream = model.stream  # type: ignore[method-assign]
        detail = await answered(engine, await ask(engine, (await begin(engine)).id, model=model_name))
        assert detail.turn.state is TurnState.COMPLETED
        assert detail.reply is not None
        assert detail.reply.content == "one "
        [attempt] = detail.attempts
        assert attempt.usage is not None
        assert attempt.usage.cached_tokens + attempt.usage.cache_write_tokens <= attempt.usage.input_tokens
        assert 0 <= attempt.usage.reasoning_tokens <= attempt.usage.output_tokens

    async def test_an_empty_reply_completes_without_a_message(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([]))
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id))
        assert (detail.turn.state, detail.reply) == (TurnState.COMPLETED, None)
        assert len(await messages_of(engine, conversation.id)) == 1


class TestCost:
    async def test_of_a_hosted_model_is_summed_exactly(self, open_engine: OpenEngine) -> None:
        usage = TokenUsage(input_tokens=1000, cached_tokens=400, output_tokens=100)
        engine = await open_engine()
        model = FinishingModel(ReplyFinished(finish_reason="stop", usage=usage))
        engine._catalog._families["openai"].provider.stream = model.stream  # type: ignore[method-assign]
        conversation = await begin(engine, model="openai/gpt-4o")
        for _ in range(3):
            detail = await answered(engine, await ask(engine, conversation.id))
            assert detail.attempts[0].cost == Decimal("0.003")
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert after.cost == Decimal("0.009")
