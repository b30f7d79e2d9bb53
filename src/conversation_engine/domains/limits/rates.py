"""Who may ask how often."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from conversation_engine.domains.limits.errors import BadRateRuleError, RateLimitedError
from conversation_engine.infra.observability.catalogue import RATE_REFUSALS
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.rates.ports import RateWindows
from conversation_engine.infra.rates.types import Charge, Quota, Standing
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

DEFAULT_RULES: Final = "messages user 10/minute; messages everybody 1000/hour"
"""Of a server that others use."""
OFF: Final = "off"
PERIOD_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RULE: Final = re.compile(r"(\w+)\s+(\w+)\s+([1-9][0-9]{0,11})\s*(?:/|per)\s*(\w+)", re.ASCII)


class RateClass(StrEnum):
    """What is counted."""

    MESSAGES = "messages"
    """Requests that say something or have something answered."""
    WRITES = "writes"
    """Other requests that change something."""
    READS = "reads"
    """Requests that only look."""
    TOKENS = "tokens"
    """Tokens of model calls; counted when a turn has ended, refused when the next one is asked for."""


class Audience(StrEnum):
    """For whom a rule counts, beside the roles."""

    USER = "user"
    """Each user whose role has no rule of its own."""
    EVERYBODY = "everybody"
    """All users together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many in so long."""

    limit: int
    period_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRule:
    """A rate for somebody."""

    counts: RateClass
    audience: Audience | Role
    """A role: each user of that role, instead of the rule for users."""
    rate: Rate

    @property
    def name(self) -> str:
        """The policy's name in `RateLimit` headers."""
        return f"{self.counts}-{self.audience}"

    def quota_of(self, user_id: UserId) -> Quota:
        """Where the rule counts this user."""
        who = "" if self.audience is Audience.EVERYBODY else f":{user_id}"
        key = f"{self.name}:{self.rate.limit}:{self.rate.period_seconds}{who}"
        return Quota(key=key, limit=self.rate.limit, period_seconds=self.rate.period_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStanding:
    """How a rule stands for somebody."""

    rule: RateRule
    standing: Standing


def parse_rate(text: str) -> Rate:
    """`10/minute`. Raises BadRateRuleError."""
    return parse_rules(f"messages user {text}")[0].rate


def parse_rules(text: str) -> Sequence[RateRule]:
    """The rules that CE_RATE_LIMITS names; none for `off`. Raises BadRateRuleError."""
    if text.strip().lower() in ("", OFF):
        return ()
    return tuple(_parse_rule(rule) for rule in text.split(";") if rule.strip())


def _parse_rule(text: str) -> RateRule:
    match = _RULE.fullmatch(text.strip().lower())
    if match is None:
        raise BadRateRuleError(text)
    counts, audience, limit, period = match.groups()
    try:
        return RateRule(
            counts=RateClass(counts),
            audience=Role(audience) if audience in set(Role) else Audience(audience),
            rate=Rate(limit=int(limit), period_seconds=PERIOD_SECONDS[period]),
        )
    except (ValueError, KeyError) as error:
        raise BadRateRuleError(text) from error


class RateLimiter:
    """Applies the rules. No transaction, no database: memory or Valkey."""

    def __init__(
        self,
        windows: RateWindows,
        rules: Sequence[RateRule],
        *,
        recorder: Recorder = SILENCE,
        on_refused: Callable[[UserId, str], None] | None = None,
    ) -> None:
        """`on_refused` is told of each refusal: whom, and by which rule."""
        self.windows = windows
        self._recorder = recorder
        self._on_refused = on_refused
        self.rules = rules
        self.counts_tokens = any(rule.counts is RateClass.TOKENS for rule in rules)

    async def take(self, principal: Principal, counts: RateClass) -> Sequence[RateStanding]:
        """Count one request of this class and say how its rules stand.

        Raises RateLimitedError when one of them has nothing left: then none has counted it. Without a rule it costs
        nothing.
        """
        rules = self._rules(principal.role, (counts,))
        if counts is RateClass.MESSAGES and self.counts_tokens:
            rules += self._rules(principal.role, (RateClass.TOKENS,))
        if not rules:
            return ()
        charges = [Charge(quota=rule.quota_of(principal.user_id), units=int(rule.counts is counts)) for rule in rules]
        found = _zipped(rules, await self.windows.take(charges))
        if refused := [one for one in found if one.standing.wait_seconds > 0]:
            for one in refused:
                self._recorder.add(RATE_REFUSALS, one.rule.name)
                if self._on_refused is not None:
                    self._on_refused(principal.user_id, one.rule.name)
            raise RateLimitedError(
                retry_after=ceil(max(one.standing.wait_seconds for one in refused)),
                policies=[one.rule.name for one in refused],
                headers=headers_of(found),
            )
        return found

    async def look(self, principal: Principal) -> Sequence[RateStanding]:
        """How every rule stands for this caller; counts nothing."""
        rules = self._rules(principal.role, tuple(RateClass))
        return _zipped(rules, await self.windows.look([rule.quota_of(principal.user_id) for rule in rules]))

    async def add_tokens(self, user_id: UserId, role: Role | None, tokens: int) -> None:
        """Count what a turn has used, for a user whose role is known or not."""
        for rule in self._rules(role, (RateClass.TOKENS,)):
            await self.windows.add(rule.quota_of(user_id), tokens)

    async def aclose(self) -> None:
        """Let go of what counts."""
        await self.windows.aclose()

    def _rules(self, role: Role | None, wanted: Sequence[RateClass]) -> list[RateRule]:
        rules = [rule for rule in self.rules if rule.counts in wanted]
        special = {rule.counts for rule in rules if rule.audience == role}
        return [
            rule
            for rule in rules
            if rule.audience in (Audience.EVERYBODY, role)
            or (rule.audience is Audience.USER and rule.counts not in special)
        ]


def headers_of(standings: Iterable[RateStanding]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).

    `q` units in any `w` seconds; `r` are left, and more than that in `t` seconds. Tokens say so: `qu="tokens"`.
    """
    policies, limits = [], []
    for one in standings:
        rule, standing = one.rule, one.standing
        unit = ';qu="tokens"' if rule.counts is RateClass.TOKENS else ""
        policies.append(f'"{rule.name}";q={rule.rate.limit}{unit};w={rule.rate.period_seconds}')
        limits.append(f'"{rule.name}";r={standing.remaining};t={ceil(standing.reset_seconds)}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(limits)} if policies else {}


def _zipped(rules: Sequence[RateRule], standings: Sequence[Standing]) -> list[RateStanding]:
    return [RateStanding(rule=rule, standing=standing) for rule, standing in zip(rules, standings, strict=True)]
