"""`@rate_limited`."""

import pytest

from conversation_engine import ConversationEngine, RateLimitedError, Settings, rate_limited
from conversation_engine.domains.limits.errors import BadRateRuleError
from conversation_engine.testing import FakeClock


@rate_limited("2/minute")
async def greet(user_id: str, greeting: str = "Hello") -> str:
    """Greets."""
    return f"{greeting} {user_id}"


class TestRateLimited:
    async def test_a_call_too_many_is_refused_before_the_function_runs(self) -> None:
        ran = []

        @rate_limited("2/minute", by=None)
        async def note(thing: int) -> None:
            ran.append(thing)

        await note(1)
        await note(2)
        with pytest.raises(RateLimitedError) as refused:
            await note(3)
        assert ran == [1, 2]
        assert 1 <= int(str(refused.value.facts["retry_after"])) <= 60

    async def test_users_are_counted_apart_however_they_are_passed(self) -> None:
        assert [await greet("ada"), await greet(user_id="ada"), await greet("bob")] == [
            "Hello ada",
            "Hello ada",
            "Hello bob",
        ]
        with pytest.raises(RateLimitedError):
            await greet("ada", "Hi")

    async def test_every_rate_holds(self) -> None:
        clock = FakeClock()
        engine = ConversationEngine(Settings(), clock=clock)

        @rate_limited("2/minute", "3/hour", by=None, engine=engine)
        async def note() -> None:
            return None

        for seconds in (0, 0, 60):
            clock.advance(seconds=seconds)
            await note()
        clock.advance(seconds=60)
        with pytest.raises(RateLimitedError) as refused:
            await note()
        assert refused.value.facts["retry_after"] == 3600 - 120
        await engine.aclose()

    async def test_a_method_is_counted_by_what_its_object_says(self) -> None:
        class Speaker:
            def __init__(self, user_id: str) -> None:
                self.user_id = user_id

            @rate_limited("1/minute")
            async def speak(self) -> str:
                return self.user_id

        assert [await Speaker(name).speak() for name in ("ada", "bob")] == ["ada", "bob"]
        with pytest.raises(RateLimitedError):
            await Speaker("ada").speak()

    def test_it_keeps_the_functions_name_and_docstring(self) -> None:
        assert (greet.__name__, greet.__doc__) == ("greet", "Greets.")

    def test_what_it_cannot_count_is_refused_when_decorating(self) -> None:
        async def nameless(thing: int) -> None: ...

        def plain(user_id: str) -> None: ...

        with pytest.raises(TypeError, match="user_id"):
            rate_limited("1/minute")(nameless)
        with pytest.raises(TypeError, match="async def"):
            rate_limited("1/minute")(plain)  # type: ignore[arg-type]
        with pytest.raises(BadRateRuleError):
            rate_limited("often")
