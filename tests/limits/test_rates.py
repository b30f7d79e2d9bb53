"""Rules for how often people may ask."""

import pytest

from conversation_engine.domains.limits.errors import BadRateRuleError, RateLimitedError
from conversation_engine.domains.limits.rates import (
    DEFAULT_RULES,
    Audience,
    Rate,
    RateClass,
    RateLimiter,
    RateRule,
    headers_of,
    parse_rate,
    parse_rules,
)
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import rate_rules
from conversation_engine.infra.rates.memory import MemoryWindows
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock, ScriptedModel
from tests.conftest import OpenEngine
from tests.turns.scenes import answered, ask, begin


def person(name: str, role: Role = Role.STUDENT) -> Principal:
    return Principal(user_id=UserId(name), role=role)


ADA, BOB, TUTOR = person("ada"), person("bob"), person("eve", Role.TEACHER)


def limiter(rules: str, clock: FakeClock | None = None) -> RateLimiter:
    return RateLimiter(MemoryWindows(clock or FakeClock()), parse_rules(rules))


async def let_in(rates: RateLimiter, who: Principal, times: int, counts: RateClass = RateClass.MESSAGES) -> int:
    """How many of so many requests were let in."""
    count = 0
    for _ in range(times):
        try:
            await rates.take(who, counts)
        except RateLimitedError:
            continue
        count += 1
    return count


class TestParseRules:
    def test_the_defaults_are_ten_a_minute_and_a_thousand_an_hour(self) -> None:
        assert parse_rules(DEFAULT_RULES) == (
            RateRule(counts=RateClass.MESSAGES, audience=Audience.USER, rate=Rate(limit=10, period_seconds=60)),
            RateRule(
                counts=RateClass.MESSAGES, audience=Audience.EVERYBODY, rate=Rate(limit=1000, period_seconds=3600)
            ),
        )

    def test_a_role_is_an_audience(self) -> None:
        [rule] = parse_rules(" Tokens STUDENT 5 per day ;")
        assert (rule.counts, rule.audience, rule.rate) == ("tokens", Role.STUDENT, parse_rate("5/day"))

    def test_off_is_no_rule(self) -> None:
        assert parse_rules("off") == parse_rules(" ") == ()

    @pytest.mark.parametrize(
        "rule",
        ["messages user 10", "messages 10/minute", "messages user 0/minute", "messages user -1/minute",
         "messages user 1/fortnight", "thoughts user 1/day", "messages nobody 1/day", "messages user 1.5/day"],
    )  # fmt: skip
    def test_what_is_no_rule_is_refused(self, rule: str) -> None:
        with pytest.raises(BadRateRuleError, match="messages user 10/minute"):
            parse_rules(f"messages user 1/day; {rule}")


class TestRateRules:
    def test_a_laptop_has_none_and_a_server_for_others_the_defaults(self, settings: Settings) -> None:
        server = settings.model_copy(update={"rate_limits": None})
        assert rate_rules(server) == parse_rules(DEFAULT_RULES)
        assert rate_rules(server.model_copy(update={"secret": None})) == ()

    def test_what_is_set_counts_everywhere(self, settings: Settings) -> None:
        laptop = settings.model_copy(update={"rate_limits": "reads user 1/day", "secret": None})
        assert rate_rules(laptop) == parse_rules("reads user 1/day")


class TestTake:
    async def test_users_are_counted_apart(self) -> None:
        rates = limiter("messages user 3/minute")
        assert [await let_in(rates, ADA, 5), await let_in(rates, BOB, 5)] == [3, 3]

    async def test_everybody_is_counted_together_and_a_refusal_costs_nobody_anything(self) -> None:
        clock = FakeClock()
        rates = limiter("messages user 3/minute; messages everybody 4/minute", clock)
        assert [await let_in(rates, ADA, 3), await let_in(rates, BOB, 9)] == [3, 1]
        [own, _] = await rates.look(BOB)
        assert own.standing.remaining == 2

    async def test_a_role_has_its_own_rule_instead_of_the_users(self) -> None:
        rates = limiter("messages user 2/minute; messages teacher 4/minute; messages everybody 100/minute")
        assert [await let_in(rates, ADA, 9), await let_in(rates, TUTOR, 9)] == [2, 4]

    async def test_classes_are_counted_apart(self) -> None:
        rates = limiter("messages user 1/minute; writes user 2/minute")
        counts = [await let_in(rates, ADA, 9, one) for one in (RateClass.MESSAGES, RateClass.WRITES, RateClass.READS)]
        assert counts == [1, 2, 9]

    async def test_a_refusal_says_when_and_which(self) -> None:
        clock = FakeClock()
        rates = limiter("messages user 1/minute; messages everybody 9/minute", clock)
        await rates.take(ADA, RateClass.MESSAGES)
        clock.advance(seconds=20.5)
        with pytest.raises(RateLimitedError) as refused:
            await rates.take(ADA, RateClass.MESSAGES)
        assert refused.value.facts == {"retry_after": 40, "violated-policies": ["messages-user"]}


class TestTokens:
    async def test_what_turns_used_is_in_the_way_of_the_next_message_until_it_is_over(self) -> None:
        clock = FakeClock()
        rates = limiter("tokens user 1000/hour; tokens everybody 5000/hour", clock)
        assert await let_in(rates, ADA, 3) == 3
        await rates.add_tokens(ADA.user_id, ADA.role, 1200)
        assert [await let_in(rates, ADA, 3), await let_in(rates, BOB, 3)] == [0, 3]
        assert [one.standing.remaining for one in await rates.look(BOB)] == [1000, 3800]
        clock.advance(seconds=3600)
        assert await let_in(rates, ADA, 3) == 3


class TestHeadersOf:
    async def test_they_are_the_drafts(self) -> None:
        clock = FakeClock()
        rates = limiter("messages user 10/minute; tokens user 500/hour", clock)
        await rates.take(ADA, RateClass.MESSAGES)
        clock.advance(seconds=1.5)
        headers = headers_of(await rates.take(ADA, RateClass.MESSAGES))
        assert headers == {
            "ratelimit-policy": '"messages-user";q=10;w=60, "tokens-user";q=500;qu="tokens";w=3600',
            "ratelimit": '"messages-user";r=8;t=59, "tokens-user";r=500;t=0',
        }

    def test_there_are_none_without_rules(self) -> None:
        assert headers_of([]) == {}


class TestTurns:
    async def test_their_tokens_are_counted_for_whoever_asked(self, open_engine: OpenEngine) -> None:
        usage = TokenUsage(input_tokens=300, cached_tokens=100, output_tokens=200)
        engine = await open_engine(
            ScriptedModel(usage=usage), rate_limits="tokens user 900/day; tokens teacher 10000/day"
        )
        for role in (Role.STUDENT, Role.TEACHER, None):
            await answered(engine, await ask(engine, (await begin(engine)).id, role=role))
        left = [(await engine.rates.look(person("ada", role)))[0].standing.remaining for role in Role]
        assert dict(zip(Role, left, strict=True)) == {Role.STUDENT: 0, Role.TEACHER: 9500, Role.ADMIN: 0}
