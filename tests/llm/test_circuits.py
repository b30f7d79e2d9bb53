"""Models that fail again and again are left alone for a while."""

from dataclasses import replace

import pytest

from conversation_engine.domains.llm.circuits import Circuits
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    CircuitOpenError,
    ContextTooLongError,
    ErrorInStreamError,
    MalformedStreamError,
    ModelError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    OverloadedError,
    StreamCutError,
)
from conversation_engine.domains.llm.types import ModelCard
from conversation_engine.testing import FakeClock

CARD = ModelCard(name="openai/a", provider="openai", provider_model="a", context_tokens=9)
OTHER = replace(CARD, name="openai/b", provider_model="b")
FAULTS = [
    OverloadedError(),
    ModelTimeoutError("first_token"),
    ModelUnreachableError(),
    StreamCutError(),
    MalformedStreamError(),
    ErrorInStreamError(),
]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def circuits(clock: FakeClock) -> Circuits:
    return Circuits(clock, faults_to_open=3, open_seconds=30)


def fail(circuits: Circuits, times: int, error: ModelError | None = None) -> None:
    for _ in range(times):
        circuits.enter(CARD)
        circuits.leave(CARD, error or OverloadedError())


def is_refused(circuits: Circuits, card: ModelCard = CARD) -> bool:
    try:
        circuits.enter(card)
    except CircuitOpenError:
        return True
    return False


class TestOpening:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda error: error.code)
    def test_after_so_many_faults_of_the_service_in_a_row(self, circuits: Circuits, fault: ModelError) -> None:
        fail(circuits, 2, fault)
        assert not circuits.is_open(CARD)
        fail(circuits, 1, fault)
        assert circuits.is_open(CARD)
        with pytest.raises(CircuitOpenError) as refused:
            circuits.enter(CARD)
        assert refused.value.facts == {"retry_after": 30}

    @pytest.mark.parametrize(
        "error",
        [ModelRateLimitedError(), AuthenticationError(), BadModelRequestError(), ContextTooLongError()],
        ids=lambda error: error.code,
    )
    def test_not_for_what_speaks_against_us(self, circuits: Circuits, error: ModelError) -> None:
        fail(circuits, 100, error)
        assert not is_refused(circuits)

    @pytest.mark.parametrize("between", [None, ModelRateLimitedError()])
    def test_not_when_the_service_answered_in_between(self, circuits: Circuits, between: ModelError | None) -> None:
        fail(circuits, 2)
        circuits.leave(CARD, between)
        fail(circuits, 2)
        assert not is_refused(circuits)

    def test_of_one_model_leaves_the_others(self, circuits: Circuits) -> None:
        fail(circuits, 3)
        assert not is_refused(circuits, OTHER)

    def test_never_where_the_settings_say_so(self, clock: FakeClock) -> None:
        circuits = Circuits(clock, faults_to_open=0, open_seconds=30)
        fail(circuits, 100)
        assert not is_refused(circuits)


class TestClosing:
    def test_one_call_probes_and_the_others_wait_for_it(self, circuits: Circuits, clock: FakeClock) -> None:
        fail(circuits, 3)
        clock.advance(seconds=30)
        assert [is_refused(circuits) for _ in range(3)] == [False, True, True]

    def test_a_probe_that_goes_well_closes_it(self, circuits: Circuits, clock: FakeClock) -> None:
        fail(circuits, 3)
        clock.advance(seconds=30)
        circuits.enter(CARD)
        circuits.leave(CARD, None)
        assert [is_refused(circuits) for _ in range(3)] == [False] * 3
        fail(circuits, 2)
        assert not circuits.is_open(CARD)

    def test_a_probe_that_fails_opens_it_again(self, circuits: Circuits, clock: FakeClock) -> None:
        fail(circuits, 3)
        clock.advance(seconds=30)
        fail(circuits, 1)
        assert circuits.is_open(CARD)
        clock.advance(seconds=29)
        assert is_refused(circuits)

    def test_a_probe_that_we_ended_tells_nothing(self, circuits: Circuits, clock: FakeClock) -> None:
        fail(circuits, 3)
        clock.advance(seconds=30)
        circuits.enter(CARD)
        circuits.give_up(CARD)
        assert [is_refused(circuits) for _ in range(2)] == [False, True]
