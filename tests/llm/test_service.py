"""Who answers, who answers instead, and what is on record of it."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from conversation_engine.domains.llm.catalog import Family, ModelCatalog
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ModelBusyError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
    UnknownModelError,
)
from conversation_engine.domains.llm.service import Answer, LlmService, ModelCall
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.slots import FairSlots
from conversation_engine.domains.llm.types import AttemptStatus, LLMMessage, Sampling
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel

QUICK: dict[str, Any] = {"retry_base_seconds": 0.001, "model": "one/m"}
WELL = [Say("well")]


class Models:
    """Three scripted models side by side, `one/m`, `two/m` and the small `three/m`, and what was heard."""

    def __init__(self, *, slots: int = 0, wait_seconds: float = 60, **settings: Any) -> None:
        self.one, self.two, self.three = ScriptedModel(), ScriptedModel(), ScriptedModel()
        self.heard: list[str] = []
        models = {"one": (self.one, 1000), "two": (self.two, 1000), "three": (self.three, 100)}
        families = {}
        for name, (model, context_tokens) in models.items():
            model.name = name
            families[name] = Family(
                provider=model,
                context_tokens=context_tokens,
                slots=FairSlots(slots, wait_seconds=wait_seconds),
            )
        catalog = ModelCatalog(families, default="one/m")
        self.service = LlmService(
            catalog, clock=SystemClock(), settings=LlmSettings(**{**QUICK, **settings}), random=Random(1)
        )

    def call(self, *, owner: str = "ada", input_tokens: int = 10, limit: int | None = None) -> ModelCall:
        return ModelCall(
            conversation_id=ConversationId(new_id()),
            owner_id=UserId(owner),
            turn_id=TurnId(new_id()),
            attempt=1,
            card=self.service.card("one/m"),
            messages=[LLMMessage(role="user", content="hi")],
            sampling=Sampling(reply_limit_tokens=limit),
            input_tokens=input_tokens,
        )

    async def answer(self, **call: Any) -> Answer:
        async with asyncio.timeout(10):
            return await self.service.answer(self.call(**call), on_text=self.heard.append)

    @property
    def calls(self) -> tuple[int, int, int]:
        return len(self.one.requests), len(self.two.requests), len(self.three.requests)


def statuses(answer: Answer) -> Sequence[tuple[str, int, str | None]]:
    """Who was called, the number of the call, and how it failed."""
    return [(attempt.provider, attempt.attempt, attempt.error_code) for attempt in answer.attempts]


class TestRetry:
    @pytest.mark.parametrize(
        "error", [OverloadedError("why"), ModelRateLimitedError("why"), ModelTimeoutError("connect")]
    )
    async def test_what_fails_before_the_first_word_is_asked_again_and_every_call_is_on_record(
        self, error: ModelError
    ) -> None:
        models = Models()
        models.one.then(Fail(error))
        models.one.then(Fail(error))
        models.one.then(*WELL)
        answer = await models.answer()
        assert (answer.error, models.heard) == (None, ["well"])
        assert statuses(answer) == [("one", 1, error.code), ("one", 2, error.code), ("one", 3, None)]
        assert answer.attempts[0].error_cause == error.cause
        assert len({attempt.id for attempt in answer.attempts}) == 3

    async def test_it_ends(self) -> None:
        models = Models(retry_count=3)
        for _ in range(9):
            models.one.then(Fail(OverloadedError()))
        answer = await models.answer()
        assert isinstance(answer.error, OverloadedError)
        assert len(answer.attempts) == 4

    async def test_after_the_first_word_nobody_asks_again(self) -> None:
        models = Models(fallback_models=["two/m"])
        models.one.then(Say("one "), Fail(StreamCutError()))
        answer = await models.answer()
        assert isinstance(answer.error, StreamCutError)
        assert (models.calls, models.heard) == ((1, 0, 0), ["one "])

    @pytest.mark.parametrize("error", [AuthenticationError(), BadModelRequestError(), ContentFilteredError()])
    async def test_what_will_fail_again_is_asked_once(self, error: ModelError) -> None:
        models = Models()
        models.one.then(Fail(error))
        assert (await models.answer()).error is error
        assert models.calls == (1, 0, 0)

    async def test_not_before_the_service_wants_to_be_asked(self) -> None:
        models = Models()
        models.one.then(Fail(ModelRateLimitedError(retry_after_seconds=0.2)))
        began = asyncio.get_running_loop().time()
        answer = await models.answer()
        assert answer.error is None
        assert asyncio.get_running_loop().time() - began >= 0.2

    async def test_whoever_is_stopped_between_two_calls_makes_no_other(self) -> None:
        models = Models()
        models.one.then(Fail(ModelRateLimitedError(retry_after_seconds=15)))
        task = asyncio.create_task(models.answer())
        while not models.one.requests:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        task.cancel()
        answer = await task
        assert statuses(answer) == [("one", 1, "model_rate_limited")]
        assert answer.error is None

    async def test_whoever_is_stopped_in_a_call_closes_it(self) -> None:
        models = Models(fallback_models=["two/m"])
        models.one.then(Say("one "), Pause(60))
        task = asyncio.create_task(models.answer())
        while not models.heard:
            await asyncio.sleep(0)
        task.cancel()
        answer = await task
        assert (models.one.closed, models.calls) == (1, (1, 0, 0))
        [attempt] = answer.attempts
        assert (attempt.status, attempt.error_code) == (AttemptStatus.CANCELLED, "model_call_cancelled")
        assert answer.error is None


class TestFallback:
    @pytest.mark.parametrize(
        "error",
        [
            OverloadedError(),
            AuthenticationError(),
            PermissionDeniedError(),
            ModelNotFoundError(),
            ModelRateLimitedError(),
        ],
    )
    async def test_the_next_model_answers(self, error: ModelError) -> None:
        models = Models(retry_count=0, fallback_models=["two/m"])
        models.one.then(Fail(error))
        answer = await models.answer()
        assert answer.error is None
        assert statuses(answer) == [("one", 1, error.code), ("two", 2, None)]

    async def test_in_order_after_the_retries_of_each(self) -> None:
        models = Models(retry_count=1, fallback_models=["two/m", "three/m"])
        for model in (models.one, models.two):
            for _ in range(2):
                model.then(Fail(OverloadedError()))
        answer = await models.answer()
        assert [attempt.provider for attempt in answer.attempts] == ["one", "one", "two", "two", "three"]
        assert [attempt.attempt for attempt in answer.attempts] == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("error", [BadModelRequestError(), ContentFilteredError()])
    async def test_nobody_else_is_asked_when_the_request_is_what_is_wrong(self, error: ModelError) -> None:
        models = Models(fallback_models=["two/m"])
        models.one.then(Fail(error))
        assert (await models.answer()).error is error
        assert models.calls == (1, 0, 0)

    async def test_when_all_fail_the_first_reason_is_told(self) -> None:
        models = Models(retry_count=0, fallback_models=["two/m"])
        models.one.then(Fail(OverloadedError()))
        models.two.then(Fail(AuthenticationError()))
        answer = await models.answer()
        assert isinstance(answer.error, OverloadedError)
        assert len(answer.attempts) == 2

    async def test_a_model_that_the_prompt_does_not_fit_into_is_passed_over(self) -> None:
        models = Models(retry_count=0, fallback_models=["three/m", "two/m"])
        models.one.then(Fail(OverloadedError()))
        assert (await models.answer(input_tokens=200)).error is None
        assert models.calls == (1, 1, 0)

    async def test_a_prompt_that_is_too_long_is_for_longer_models_only(self) -> None:
        models = Models(fallback_models=["two/m"])
        models.one.then(Fail(ContextTooLongError()))
        assert isinstance((await models.answer()).error, ContextTooLongError)
        assert models.calls == (1, 0, 0)

    async def test_its_reply_has_its_own_limit(self) -> None:
        models = Models(retry_count=0, fallback_models=["three/m"])
        models.one.then(Fail(OverloadedError()))
        await models.answer(limit=400)
        assert models.one.requests[0].sampling.reply_limit_tokens == 400
        assert models.three.requests[0].sampling.reply_limit_tokens == 50

    async def test_the_model_itself_is_not_asked_twice(self) -> None:
        models = Models(retry_count=0, fallback_models=["one/m"])
        models.one.then(Fail(OverloadedError()))
        await models.answer()
        assert models.calls == (1, 0, 0)

    def test_one_that_nobody_has_is_refused_at_the_start(self) -> None:
        with pytest.raises(UnknownModelError):
            Models(fallback_models=["nobody/m"])


class TestCircuit:
    async def test_a_model_that_keeps_failing_is_not_called(self) -> None:
        models = Models(retry_count=0, circuit_faults=3)
        for _ in range(9):
            models.one.then(Fail(OverloadedError()))
        errors = [(await models.answer()).error for _ in range(5)]
        assert [error and error.code for error in errors] == [*["model_overloaded"] * 3, *["model_circuit_open"] * 2]
        assert models.calls == (3, 0, 0)

    async def test_its_fallback_answers_at_once(self) -> None:
        models = Models(retry_count=0, circuit_faults=1, fallback_models=["two/m"])
        models.one.then(Fail(OverloadedError()))
        await models.answer()
        answer = await models.answer()
        assert statuses(answer) == [("two", 1, None)]
        assert answer.error is None

    async def test_retries_end_when_it_opens_and_the_reason_is_the_call_s(self) -> None:
        models = Models(retry_count=9, circuit_faults=2)
        for _ in range(9):
            models.one.then(Fail(OverloadedError()))
        answer = await models.answer()
        assert isinstance(answer.error, OverloadedError)
        assert len(answer.attempts) == 2


class TestSlots:
    async def test_no_more_calls_run_than_the_provider_takes(self) -> None:
        models = Models(slots=2)
        for _ in range(6):
            models.one.then(Pause(0.01), Say("x"))
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                party = models.service._catalog.slots(models.service.card("one/m"))._parties
                most = max(most, sum(one.running for one in party.values()))
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        answers = await asyncio.gather(*(models.answer(owner=f"user {number}") for number in range(6)))
        watching.cancel()
        assert all(answer.error is None for answer in answers)
        assert most == 2

    async def test_who_waits_too_long_is_answered_by_another_model(self) -> None:
        models = Models(slots=1, wait_seconds=0.01, fallback_models=["two/m"])
        models.one.then(Pause(0.5), Say("x"))
        first = asyncio.create_task(models.answer())
        await asyncio.sleep(0)
        answer = await models.answer(owner="bob")
        assert statuses(answer) == [("two", 1, None)]
        await first

    async def test_who_waits_too_long_is_told_so(self) -> None:
        models = Models(slots=1, wait_seconds=0.01)
        models.one.then(Pause(0.5), Say("x"))
        first = asyncio.create_task(models.answer())
        await asyncio.sleep(0)
        answer = await models.answer(owner="bob")
        assert isinstance(answer.error, ModelBusyError)
        assert answer.attempts == ()
        await first


class TestFilter:
    async def test_a_reply_that_is_filtered_before_its_first_word_is_no_reply(self) -> None:
        models = Models()
        models.one._finish_reason = "content_filter"
        models.one.then()
        answer = await models.answer()
        assert isinstance(answer.error, ContentFilteredError)
        assert statuses(answer) == [("one", 1, "content_filtered")]
