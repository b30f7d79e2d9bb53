"""Who stops a turn, or waits too long for it, stops the model service too: its connection is closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine, until
from tests.llm.stub import OPEN_STREAM, SILENCE, StubService, anthropic_events, openai_events, running_stub
from tests.turns.scenes import ADA, Watcher, answered, ask, begin

EVENTS = {"openai/m": openai_events, "anthropic/m": anthropic_events}


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


async def is_closed(stub: StubService) -> None:
    async with asyncio.timeout(5):
        await stub.closed.wait()


@pytest.mark.parametrize("model", EVENTS)
class TestClosing:
    async def test_a_cancelled_turn(self, open_engine: OpenEngine, stub: StubService, model: str) -> None:
        stub.plan = [OPEN_STREAM, *EVENTS[model]("one", finish=None), SILENCE]
        engine = await open_engine(openai_base_url=stub.base_url, anthropic_base_url=stub.base_url)
        conversation = await begin(engine, model=model)
        turn = await ask(engine, conversation.id)
        await Watcher(engine, turn).has_seen("one")
        detail = await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA)
        await is_closed(stub)
        assert detail.turn.state is TurnState.CANCELLED
        assert detail.attempts[0].error_code == "model_call_cancelled"
        assert detail.attempts[0].usage is not None

    async def test_one_that_is_cancelled_before_the_first_word(
        self, open_engine: OpenEngine, stub: StubService, model: str
    ) -> None:
        stub.plan = [OPEN_STREAM, SILENCE]
        engine = await open_engine(openai_base_url=stub.base_url, anthropic_base_url=stub.base_url, retry_count=2)
        conversation = await begin(engine, model=model)
        turn = await ask(engine, conversation.id)
        await until(lambda: bool(stub.requests))
        detail = await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA)
        await is_closed(stub)
        assert len(stub.requests) == 1
        [attempt] = detail.attempts
        assert attempt.usage is not None  # the service has the prompt, and bills it
        assert (attempt.usage.input_tokens > 5, attempt.usage.output_tokens) == (True, 0)

    @pytest.mark.parametrize(
        "silence",
        [
            ("first_token_timeout_seconds", ()),
            ("between_tokens_timeout_seconds", ("one",)),
            ("total_timeout_seconds", ("one",)),
        ],
    )
    async def test_a_timeout(
        self, open_engine: OpenEngine, stub: StubService, model: str, silence: tuple[str, tuple[str, ...]]
    ) -> None:
        limit, words = silence
        stub.plan = [OPEN_STREAM, *(EVENTS[model](*words, finish=None) if words else ()), SILENCE]
        bases = {"openai_base_url": stub.base_url, "anthropic_base_url": stub.base_url}
        engine = await open_engine(**bases, **{limit: 0.2})
        detail = await answered(engine, await ask(engine, (await begin(engine, model=model)).id))
        await is_closed(stub)
        assert detail.turn.error is not None
        assert detail.turn.error.code == "model_timeout"
        assert detail.attempts[0].error_cause == f"timed out: {limit.removesuffix('_timeout_seconds')}"
