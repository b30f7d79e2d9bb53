"""Days and instants as people write them."""

from datetime import UTC, date, datetime
from datetime import time as time_of_day

from conversation_engine.insights.cost.errors import BadPeriodError

_DAY_CHARACTERS = len("2026-01-31")


def instant_of(text: str) -> datetime:
    """`2026-01-31` is that day's first instant in UTC; `2026-01-31T12:00:00+02:00` is what it says.

    Raises BadPeriodError for anything else, times without a zone included: nobody could tell which day they are on.
    """
    try:
        if len(text) == _DAY_CHARACTERS:
            return datetime.combine(date.fromisoformat(text), time_of_day.min, tzinfo=UTC)
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise BadPeriodError
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadPeriodError from error
