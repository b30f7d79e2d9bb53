"""Knobs of limits."""

from pydantic import BaseModel, Field


class LimitSettings(BaseModel):
    """How often people may ask."""

    rate_limits: str | None = Field(
        None,
        description="Rules such as `messages user 10/minute; messages everybody 1000/hour; messages student 5/minute; "
        "tokens user 100000/hour; reads user 600/minute`, or `off`. Unset: the first two where CE_SECRET is set, none "
        "on a laptop (docs/limits.md).",
    )
