"""Model calls on the wire."""

from datetime import datetime

from pydantic import BaseModel, Field

from conversation_engine.insights.calls.types import FailedCall, Pace


class FailedCallOut(BaseModel):
    """A model call that failed."""

    id: str
    conversation_id: str
    user_id: str
    turn_id: str | None = Field(description="The turn behind it.")
    attempt: int
    model: str
    latency_ms: int
    code: str
    cause: str | None = Field(description="The model service's own words.")
    at: datetime

    @staticmethod
    def of(call: FailedCall) -> "FailedCallOut":
        """The wire shape."""
        return FailedCallOut(
            id=call.id,
            conversation_id=call.conversation_id,
            user_id=call.owner_id,
            turn_id=call.turn_id,
            attempt=call.attempt,
            model=call.model,
            latency_ms=call.latency_ms,
            code=call.code,
            cause=call.cause,
            at=call.at,
        )


class FailedCallPage(BaseModel):
    """Some failed calls, newest first."""

    items: list[FailedCallOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class DurationOut(BaseModel):
    """Milliseconds."""

    median: int
    slow: int = Field(description="The 95th percentile, by nearest rank.")


class PaceOut(BaseModel):
    """How fast a model answered."""

    model: str
    calls: int
    failed: int
    first_token_ms: DurationOut | None = Field(description="Of completed calls; null where there is none.")
    latency_ms: DurationOut | None

    @staticmethod
    def of(pace: Pace) -> "PaceOut":
        """The wire shape."""
        return PaceOut(
            model=pace.model,
            calls=pace.calls,
            failed=pace.failed,
            first_token_ms=_duration(pace.first_token_ms),
            latency_ms=_duration(pace.latency_ms),
        )


class PaceList(BaseModel):
    """Every model that was asked, the busiest first."""

    items: list[PaceOut]


def _duration(pair: tuple[int, int] | None) -> DurationOut | None:
    return None if pair is None else DurationOut(median=pair[0], slow=pair[1])
