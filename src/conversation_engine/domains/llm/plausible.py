"""What a service reports of a call is written down, so it is first made fit to be."""

from dataclasses import replace
from typing import Final

from conversation_engine.domains.llm.types import ReplyFinished, TokenUsage
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.text import storable

FINISH_REASON_LIMIT: Final = 50
"""Code points; the column's width."""
TOKEN_LIMIT: Final = 100_000_000
"""More than any model can hold; at the highest price that can be set it is still a sum that the tables can hold."""
_log = get_logger(__name__)


def plausible(finished: ReplyFinished) -> ReplyFinished:
    """`finished` in the shape our tables take; counts that cannot be true count as not reported."""
    return replace(
        finished,
        finish_reason=storable(finished.finish_reason[:FINISH_REASON_LIMIT]),
        usage=None if finished.usage is None else _usage(finished.usage),
    )


def _usage(usage: TokenUsage) -> TokenUsage | None:
    counts = (
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )
    if not all(0 <= count <= TOKEN_LIMIT for count in counts):
        _log.warning("model.odd_usage", counts=counts)
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    return replace(
        usage,
        cached_tokens=cached,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        reasoning_tokens=min(usage.reasoning_tokens, usage.output_tokens),
    )
