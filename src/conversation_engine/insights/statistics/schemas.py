"""Statistics on the wire."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from pydantic import BaseModel, Field

from conversation_engine.insights.statistics.types import (
    LENGTHS,
    DayRow,
    Engagement,
    Group,
    Overview,
    Performance,
    Period,
    Sums,
    Whose,
)


class GroupOut(BaseModel):
    """Conversations that have something in common."""

    conversations: int
    messages: int
    tokens: int = Field(description="Read and written.")
    cost: Decimal = Field(description="US dollars; what was spent on deleted conversations is in `/stats/cost` alone.")

    @staticmethod
    def of(group: Group) -> "GroupOut":
        """The wire shape."""
        return GroupOut(
            conversations=group.conversations,
            messages=group.messages,
            tokens=group.input_tokens + group.output_tokens,
            cost=group.cost,
        )


class StatisticsOverview(BaseModel):
    """All conversations that there are."""

    whose: Whose
    total_conversations: int
    total_messages: int
    total_tokens: int
    input_tokens: int
    output_tokens: int
    total_cost: Decimal = Field(description="US dollars, exact.")
    messages_per_conversation: float | None = Field(description="Null without a conversation.")
    conversation_types: dict[str, int] = Field(description="Conversations by type.")
    types: dict[str, GroupOut]
    statuses: dict[str, GroupOut]

    @staticmethod
    def of(overview: Overview, whose: Whose) -> "StatisticsOverview":
        """The wire shape."""
        total = overview.total
        return StatisticsOverview(
            whose=whose,
            total_conversations=total.conversations,
            total_messages=total.messages,
            total_tokens=total.input_tokens + total.output_tokens,
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            total_cost=total.cost,
            messages_per_conversation=_share(total.messages, total.conversations, 2),
            conversation_types={kind: group.conversations for kind, group in overview.by_type.items()},
            types={kind: GroupOut.of(group) for kind, group in overview.by_type.items()},
            statuses={status: GroupOut.of(group) for status, group in overview.by_status.items()},
        )


class DayOut(BaseModel):
    """One UTC day."""

    day: str
    started: int = Field(description="Conversations begun.")
    conversations: int = Field(description="Conversations in which people said something.")
    people: int = Field(description="Who said something.")
    user_messages: int
    replies: int
    calls: int = Field(description="Model calls.")
    input_tokens: int
    output_tokens: int
    cost: Decimal

    @staticmethod
    def of(row: DayRow) -> "DayOut":
        """The wire shape."""
        sums = row.sums
        return DayOut(
            day=row.day,
            started=row.started,
            conversations=row.conversations,
            people=row.people,
            user_messages=sums.user_messages,
            replies=sums.replies,
            calls=sums.calls,
            input_tokens=sums.input_tokens,
            output_tokens=sums.output_tokens,
            cost=sums.cost,
        )


class _OfPeriod(BaseModel):
    whose: Whose
    start: date = Field(serialization_alias="from", description="A UTC day.")
    end: date = Field(serialization_alias="to", description="Not included.")


class ActivityOut(_OfPeriod):
    """What went on, day by day."""

    days: list[DayOut] = Field(description="Every day of the period, oldest first.")

    @staticmethod
    def of(days: Sequence[DayRow], period: Period, whose: Whose) -> "ActivityOut":
        """The wire shape."""
        return ActivityOut(whose=whose, start=period.start, end=period.end, days=[DayOut.of(day) for day in days])


class FeedbackCounts(BaseModel):
    """Feedback given in the period."""

    count: int
    up: int
    down: int
    positive_share: float | None = Field(description="Thumbs up among thumbs; null without one.")
    ratings: dict[str, int] = Field(description="How often 1 to 5.")
    average_rating: float | None


class EngagementOut(_OfPeriod):
    """Whether people stay and come back, and what they think."""

    people: int = Field(description="Who said something in the period.")
    returned: int = Field(description="Of these: on more than one day.")
    return_rate: float | None
    active_days_per_person: float | None
    conversations_per_person: float | None
    messages_per_conversation: float | None = Field(description="That people said in the period, of active ones.")
    lengths: dict[str, int] = Field(description="All conversations by how many messages they have.")
    longest: int = Field(description="Messages of the longest conversation.")
    feedback: FeedbackCounts

    @staticmethod
    def of(engagement: Engagement, period: Period, whose: Whose) -> "EngagementOut":
        """The wire shape."""
        returns, opinions = engagement.returns, engagement.opinions
        stars = sum(rating * count for rating, count in enumerate(opinions.ratings, start=1))
        return EngagementOut(
            whose=whose,
            start=period.start,
            end=period.end,
            people=returns.people,
            returned=returns.returned,
            return_rate=_share(returns.returned, returns.people),
            active_days_per_person=_share(returns.days, returns.people, 2),
            conversations_per_person=_share(returns.conversations, returns.people, 2),
            messages_per_conversation=_share(engagement.messages, returns.conversations, 2),
            lengths=dict(zip(_LENGTH_NAMES, engagement.lengths.counts, strict=True)),
            longest=engagement.lengths.longest,
            feedback=FeedbackCounts(
                count=opinions.count,
                up=opinions.up,
                down=opinions.down,
                positive_share=_share(opinions.up, opinions.up + opinions.down),
                ratings={str(rating): count for rating, count in enumerate(opinions.ratings, start=1)},
                average_rating=_share(stars, sum(opinions.ratings), 2),
            ),
        )


class TimesOut(BaseModel):
    """How long completed model calls took."""

    calls: int
    average_ms: float | None
    average_first_token_ms: float | None
    under_1s: int = Field(description="Each call is in the first class that it fits.")
    under_3s: int
    under_10s: int
    under_30s: int
    longer: int


class CachesOut(BaseModel):
    """What need not be read again."""

    prompt_hits: int = Field(description="Model calls of which the service knew a part.")
    prompt_hit_rate: float | None = Field(description="Of all calls.")
    cached_tokens: int
    cached_token_share: float | None = Field(description="Of all tokens read.")
    lookup_hits: int = Field(description="Questions to documents whose meaning was known.")
    lookup_misses: int
    lookup_hit_rate: float | None


class SearchesOut(BaseModel):
    """How searching documents for answers went."""

    count: int
    found: int = Field(description="Something was found.")
    answerable: int = Field(description="It was shown to the model.")
    cited: int = Field(description="The reply names a source.")
    misquoted: int = Field(description="The reply names a source that it was not given.")
    found_rate: float | None
    cited_rate: float | None = Field(description="Of those that were answerable.")


class ErrorsOut(BaseModel):
    """What failed."""

    failed_calls: int
    cancelled_calls: int
    failure_rate: float | None = Field(description="Failed calls among all.")
    partial_replies: int = Field(description="Broken off or cancelled.")
    fallback_replies: int = Field(description="Said in the place of a model that could not.")
    codes: dict[str, int] = Field(description="The most frequent first.")


class PerformanceOut(_OfPeriod):
    """How it went."""

    model_calls: TimesOut
    average_processing_ms: float | None = Field(description="Of messages whose metadata say `processing_time_ms`.")
    timed_messages: int
    caches: CachesOut
    searches: SearchesOut
    errors: ErrorsOut

    @staticmethod
    def of(performance: Performance, period: Period, whose: Whose) -> "PerformanceOut":
        """The wire shape."""
        sums = performance.sums
        return PerformanceOut(
            whose=whose,
            start=period.start,
            end=period.end,
            model_calls=_times(sums),
            average_processing_ms=_share(sums.processing_us, sums.timed_messages * 1000, 3),
            timed_messages=sums.timed_messages,
            caches=_caches(sums),
            searches=_searches(sums),
            errors=ErrorsOut(
                failed_calls=sums.failed_calls,
                cancelled_calls=sums.cancelled_calls,
                failure_rate=_share(sums.failed_calls, sums.calls),
                partial_replies=sums.partial_replies,
                fallback_replies=sums.fallback_replies,
                codes=dict(performance.errors),
            ),
        )


_LENGTH_NAMES = (
    f"1-{LENGTHS[0]}",
    f"{LENGTHS[0] + 1}-{LENGTHS[1]}",
    f"{LENGTHS[1] + 1}-{LENGTHS[2]}",
    f"{LENGTHS[2] + 1}+",
)


def _times(sums: Sums) -> TimesOut:
    classes = (sums.under_1s, sums.under_3s, sums.under_10s, sums.under_30s)
    return TimesOut(
        calls=sums.completed_calls,
        average_ms=_share(sums.latency_ms, sums.completed_calls, 1),
        average_first_token_ms=_share(sums.first_token_ms, sums.first_tokens, 1),
        under_1s=classes[0],
        under_3s=classes[1],
        under_10s=classes[2],
        under_30s=classes[3],
        longer=sums.completed_calls - sum(classes),
    )


def _caches(sums: Sums) -> CachesOut:
    hits, misses = sums.lookup_cache_hits, sums.lookup_cache_misses
    return CachesOut(
        prompt_hits=sums.cache_hit_calls,
        prompt_hit_rate=_share(sums.cache_hit_calls, sums.calls),
        cached_tokens=sums.cached_tokens,
        cached_token_share=_share(sums.cached_tokens, sums.input_tokens),
        lookup_hits=hits,
        lookup_misses=misses,
        lookup_hit_rate=_share(hits, hits + misses),
    )


def _searches(sums: Sums) -> SearchesOut:
    return SearchesOut(
        count=sums.lookups,
        found=sums.lookups_found,
        answerable=sums.lookups_answerable,
        cited=sums.lookups_cited,
        misquoted=sums.lookups_misquoted,
        found_rate=_share(sums.lookups_found, sums.lookups),
        cited_rate=_share(sums.lookups_cited, sums.lookups_answerable),
    )


def _share(part: int, whole: int, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None
