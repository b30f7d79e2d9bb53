"""When a call that failed is made again."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.llm.backoff import retry_wait_seconds
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    OverloadedError,
    PermissionDeniedError,
)
from conversation_engine.domains.llm.settings import LlmSettings


def wait(error: ModelError, *, tries: int = 1, waited: float = 0.0, seed: int = 1, **settings: Any) -> float | None:
    return retry_wait_seconds(
        error, tries=tries, waited_seconds=waited, settings=LlmSettings(**settings), random=Random(seed)
    )


class TestWait:
    @pytest.mark.parametrize(
        "error", [ModelRateLimitedError(), OverloadedError(), ModelTimeoutError("connect"), ModelUnreachableError()]
    )
    def test_what_may_pass_is_tried_again_as_often_as_the_settings_say(self, error: ModelError) -> None:
        waits = [wait(error, tries=tries, retry_count=3) for tries in range(1, 6)]
        assert [one is not None for one in waits] == [True, True, True, False, False]

    @pytest.mark.parametrize(
        "error",
        [
            AuthenticationError,
            BadModelRequestError,
            ContentFilteredError,
            ContextTooLongError,
            ModelNotFoundError,
            PermissionDeniedError,
        ],
    )
    def test_what_will_fail_again_is_not(self, error: type[ModelError]) -> None:
        assert wait(error()) is None

    @given(st.integers(1, 20), st.integers(0, 2**32))
    def test_it_doubles_with_jitter_up_to_a_limit(self, tries: int, seed: int) -> None:
        longest = min(0.5 * 2 ** (tries - 1), 8.0)
        found = wait(OverloadedError(), tries=tries, seed=seed, retry_count=20, retry_longest_seconds=8.0)
        assert found is not None
        assert longest / 2 <= found <= longest

    def test_no_two_callers_come_back_together(self) -> None:
        assert len({wait(OverloadedError(), seed=seed) for seed in range(100)}) == 100

    @given(st.floats(0, 20), st.integers(0, 2**32))
    def test_never_before_the_service_wants_to_be_asked(self, after: float, seed: int) -> None:
        found = wait(ModelRateLimitedError(retry_after_seconds=after), seed=seed)
        assert found is not None
        assert found >= after

    def test_not_at_all_when_that_is_longer_than_people_wait(self) -> None:
        assert wait(ModelRateLimitedError(retry_after_seconds=20.1)) is None

    def test_not_when_the_time_for_it_is_over(self) -> None:
        assert wait(OverloadedError(), waited=58.0) is not None
        assert wait(OverloadedError(), waited=59.9) is None
