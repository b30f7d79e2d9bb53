"""When a call that failed is made again."""

from random import Random

from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.domains.llm.settings import LlmSettings


def retry_wait_seconds(
    error: ModelError, *, tries: int, waited_seconds: float, settings: LlmSettings, random: Random
) -> float | None:
    """How long to wait after the failed try number `tries`; `None`: not again.

    Twice as long each time, with jitter of up to half, so that callers who failed together do not come back together;
    never before the service's own `Retry-After`, and not at all where that, or what was `waited_seconds` already, is
    longer than people wait.
    """
    if not error.is_transient or tries > settings.retry_count:
        return None
    asked = error.retry_after_seconds or 0.0
    if asked > settings.retry_longest_seconds:
        return None
    longest = min(settings.retry_base_seconds * 2 ** (tries - 1), settings.retry_longest_seconds)
    wait = asked + random.uniform(longest / 2, longest)
    return wait if waited_seconds + wait <= settings.retry_window_seconds else None
