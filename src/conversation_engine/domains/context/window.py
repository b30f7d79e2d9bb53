"""The basic window: the system prompt, then the newest messages that fit."""

from collections.abc import Iterable
from typing import Final

from conversation_engine.domains.context.errors import MessageTooLongError, NothingToAnswerError
from conversation_engine.domains.context.types import Candidate, Window, WindowMessage

STRATEGY: Final = "token_budget"


def plan_window(
    newest_first: Iterable[Candidate],
    *,
    system_prompt: str | None,
    system_tokens: int,
    overhead_tokens: int,
    budget_tokens: int,
) -> Window:
    """Choose what is shown.

    `newest_first` is read lazily, only as far as there is room, so a long conversation costs what a short one
    costs. `overhead_tokens` is the chat template's share of each message. The window never exceeds `budget_tokens`
    and holds the newest message always: MessageTooLongError when that is impossible, NothingToAnswerError when
    there is none.
    """
    used = system_tokens + overhead_tokens if system_prompt else 0
    kept: list[Candidate] = []
    first_dropped: int | None = None
    for candidate in newest_first:
        needed = used + candidate.tokens + overhead_tokens
        if needed > budget_tokens:
            if not kept:
                raise MessageTooLongError(needed_tokens=needed, budget_tokens=budget_tokens)
            first_dropped = candidate.sequence_number
            break
        kept.append(candidate)
        used = needed
    if not kept:
        raise NothingToAnswerError
    kept.reverse()
    shown = [WindowMessage(role="system", text=system_prompt)] if system_prompt else []
    shown += [WindowMessage(candidate.role, candidate.text) for candidate in kept]
    manifest = {
        "strategy": STRATEGY,
        "budget_tokens": budget_tokens,
        "input_tokens": used,
        "system": {"tokens": system_tokens, "reason": "always sent"} if system_prompt else None,
        "sent": {
            "first": kept[0].sequence_number,
            "last": kept[-1].sequence_number,
            "count": len(kept),
            "tokens": sum(candidate.tokens for candidate in kept),
            "reason": "the newest that fit",
        },
        "dropped": {"last": first_dropped, "reason": "older than what fits"} if first_dropped else None,
    }
    return Window(messages=shown, input_tokens=used, manifest=manifest)
