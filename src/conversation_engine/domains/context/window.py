"""Which messages a model is shown, in which order, and the account of it.

The order never changes: system prompt, pinned messages, summary, history, what was recalled, the message to answer.
What stands in front changes least, so that the provider's prompt cache can reuse it from turn to turn. For the same
reason the history loses a block of old messages at a time, not one a turn.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Final

from conversation_engine.domains.context.errors import MessageTooLongError, NothingToAnswerError
from conversation_engine.domains.context.manifests import BLOCK_DROPPED, OLDER, REASONS
from conversation_engine.domains.context.types import (
    Budget,
    Candidate,
    Choice,
    Digest,
    Frame,
    History,
    Recalled,
    Window,
    WindowMessage,
)
from conversation_engine.domains.llm.exchanges import exchange_before, paired
from conversation_engine.kernel.windows import TooLongPolicy

PINNED_SHARE: Final = 0.5
"""Of the room beside the system prompt and the newest message: pins must not push out the whole conversation."""
CUT_MARK: Final = "\n\n[… {tokens} tokens left out …]\n\n"
CUT_STEP: Final = 0.9
NOTHING_DROPPED: Final = "everything fits"
ASKED_FOR: Final = "as many as were asked for"


def frame_of(
    newest: Candidate,
    *,
    system_prompt: str | None,
    system_tokens: int,
    budget: Budget,
    pinned: Sequence[Candidate],
    too_long: TooLongPolicy,
    count: Callable[[str], int],
    exchange: Sequence[Candidate] = (),
) -> Frame:
    """What is shown in any case. `count` tells how many of the model's tokens a text is.

    Raises MessageTooLongError when the newest message does not fit, with the `exchange` that it belongs to, unless it
    may be cut and something of it fits.
    """
    used = system_tokens + budget.overhead_tokens if system_prompt else 0
    used += sum([candidate.tokens + budget.overhead_tokens for candidate in exchange])
    room = budget.total_tokens - used - budget.overhead_tokens
    shown = newest
    if newest.tokens > room:
        needed = used + newest.tokens + budget.overhead_tokens
        cut = _cut(newest, room, count) if too_long is TooLongPolicy.CUT else None
        if cut is None:
            raise MessageTooLongError(needed_tokens=needed, budget_tokens=budget.total_tokens)
        shown = cut
    fitting = _fitting_pins(pinned, (room - shown.tokens) * PINNED_SHARE, budget.overhead_tokens)
    return Frame(
        system_prompt=system_prompt or None,
        system_tokens=system_tokens,
        newest=shown,
        cut_tokens=newest.tokens - shown.tokens,
        pinned=fitting,
        pinned_without_room=len(pinned) - len(fitting),
        exchange=exchange,
    )


def choose_history(
    older: Iterator[Candidate],
    *,
    frame: Frame,
    budget: Budget,
    choice: Choice,
    start: int,
    digests: Sequence[Digest] = (),
    is_linear: bool = True,
) -> History:
    """Choose among `older`, newest first, which is read only as far as there is room.

    The history begins at `start` again as long as that fits; then it drops a block: down to the first of `digests`
    (oldest first) that makes it fit, or to `choice.keep_share` of the room. `is_linear`: the conversation has no
    branches, so every summary of it is one of this path.
    """
    room = history_tokens(frame, budget)
    kept: list[Candidate] = []
    used, beyond, is_before_start = 0, None, False
    fewest = room * choice.keep_share / 2  # another model's start, or one before a deletion, is no start for this one
    for candidate in older:
        cost = candidate.tokens + budget.overhead_tokens
        if choice.most_messages is not None and len(kept) + 1 >= choice.most_messages:
            return _history(kept, None, candidate, ASKED_FOR)
        is_before_start = candidate.sequence_number < start and used >= fewest
        if is_before_start or used + cost > room:
            beyond = candidate
            break
        kept.append(candidate)
        used += cost
    if beyond is None:
        return _history(kept, None, None, NOTHING_DROPPED)
    if choice.most_messages is not None:
        return _history(kept, None, beyond, BLOCK_DROPPED)
    path = None if is_linear else {*(candidate.sequence_number for candidate in kept), beyond.sequence_number}
    usable = [digest for digest in digests if path is None or digest.last in path]
    if is_before_start:
        first = kept[-1].sequence_number if kept else beyond.sequence_number + 1
        digest = _newest_before(first, usable)
        if digest is None or used + digest.tokens + budget.overhead_tokens <= room:
            return _history(kept, digest, beyond, BLOCK_DROPPED)
    return _with_block_dropped(kept, usable, beyond, room=room, overhead=budget.overhead_tokens, choice=choice)


def history_tokens(frame: Frame, budget: Budget) -> int:
    """The room that is left for older messages and their summary."""
    overhead = budget.overhead_tokens
    system = frame.system_tokens + overhead if frame.system_prompt else 0
    pinned = sum(pin.tokens + overhead for pin in frame.pinned)
    newest = sum([candidate.tokens + overhead for candidate in (*frame.exchange, frame.newest)])
    return budget.total_tokens - system - newest - pinned - recall_tokens(frame, budget)


def recall_tokens(frame: Frame, budget: Budget) -> int:
    """The room that is kept free for recalled messages: a small part, so that it never displaces the history."""
    overhead = budget.overhead_tokens
    fixed = (frame.system_tokens if frame.system_prompt else 0) + frame.newest.tokens + 2 * overhead
    return max(0, min(budget.recall_tokens, (budget.total_tokens - fixed) // 4))


def make_window(
    frame: Frame,
    history: History,
    *,
    budget: Budget,
    choice: Choice,
    note: tuple[str, int] | None = None,
    recalled: Sequence[Recalled] = (),
) -> Window:
    """Put everything in its place. `note` is what stands for the `recalled` messages, with its tokens."""
    overhead = budget.overhead_tokens
    kept, digest, newest = history.kept, history.digest, frame.newest
    inside = {candidate.sequence_number for candidate in (*kept, *frame.exchange, newest)}
    pinned = [pin for pin in frame.pinned if pin.sequence_number not in inside]
    if any(candidate.parts for candidate in kept):
        kept = without_orphans(kept)
    stable = [WindowMessage("system", frame.system_prompt, frame.system_tokens)] if frame.system_prompt else []
    stable += [WindowMessage(role, text, tokens) for _, role, text, tokens, _ in pinned]
    if digest:
        stable.append(WindowMessage("user", digest.text, digest.tokens))
    stable += [WindowMessage(role, text, tokens, parts) for _, role, text, tokens, parts in kept]
    messages = [*stable, WindowMessage("user", *note)] if note else list(stable)
    messages += [WindowMessage(*candidate[1:]) for candidate in frame.exchange]
    messages.append(WindowMessage(newest.role, newest.text, newest.tokens, newest.parts))
    used = sum([message[2] for message in messages]) + overhead * len(messages)
    return Window(
        messages=messages,
        input_tokens=used,
        stable_messages=len(stable),
        start=history.kept[0].sequence_number if history.kept and history.newest_dropped is not None else 0,
        takes_summaries=choice.uses_summary,
        recall_scope=choice.recall_scope,
        manifest={
            "strategy": choice.strategy.value,
            "budget_tokens": budget.total_tokens,
            "input_tokens": used,
            "system": _part(frame.system_tokens, REASONS["system"]) if frame.system_prompt else None,
            "pinned": _pinned(frame, pinned),
            "summary": _summarised(digest),
            "sent": _sent(kept, frame, history.reason),
            "recalled": _recalled(recalled, note),
            "dropped": _dropped(history),
        },
    )


def exchange_of(
    newest: Candidate, older: Iterator[Candidate]
) -> tuple[Sequence[Candidate], Candidate, Iterator[Candidate]]:
    """What the newest message, which is more than text, belongs to; what is shown of itself; and what is older.

    Raises NothingToAnswerError where nothing is left of it: calls that nobody has answered, results of no call.
    """
    before, beyond = exchange_before(older)
    whole = without_orphans([*before, newest])
    if not whole or whole[-1].sequence_number != newest.sequence_number:
        raise NothingToAnswerError
    return whole[:-1], whole[-1], older if beyond is None else chain([beyond], older)


def without_orphans(said: Sequence[Candidate]) -> Sequence[Candidate]:
    """Messages, oldest first, without calls whose results are not among them, and without such results."""
    return paired(said, with_parts=lambda one, parts: one._replace(text=parts.text, parts=parts))


def _fitting_pins(pinned: Sequence[Candidate], room: float, overhead: int) -> list[Candidate]:
    """The newest of them that have room, oldest first."""
    fitting: list[Candidate] = []
    for pin in reversed(pinned):
        room -= pin.tokens + overhead
        if room < 0:
            break
        fitting.append(pin)
    return fitting[::-1]


def _with_block_dropped(
    kept: Sequence[Candidate],
    digests: Sequence[Digest],
    beyond: Candidate,
    *,
    room: int,
    overhead: int,
    choice: Choice,
) -> History:
    """`kept` is newest first and as much as fits."""
    costs = list(accumulate(candidate.tokens + overhead for candidate in kept))
    numbers = [candidate.sequence_number for candidate in kept]
    oldest = beyond.sequence_number
    for digest in digests:
        if digest.last < oldest:
            continue
        after = sum(number > digest.last for number in numbers)
        if after and costs[after - 1] + digest.tokens + overhead <= room:
            dropped = kept[after] if after < len(kept) else beyond
            return _history(kept[:after], digest, dropped, BLOCK_DROPPED)
    staying = sum(cost <= room * choice.keep_share for cost in costs)
    while staying > 1 and kept[staying - 1].role == "assistant":  # a reply whose question is left out
        staying -= 1
    dropped = kept[staying] if staying < len(kept) else beyond
    digest_before = _newest_before(numbers[staying - 1] if staying else beyond.sequence_number + 1, digests)
    used = costs[staying - 1] if staying else 0
    if digest_before is not None and used + digest_before.tokens + overhead > room:
        digest_before = None
    return _history(kept[:staying], digest_before, dropped, BLOCK_DROPPED)


def _newest_before(start: int, digests: Sequence[Digest]) -> Digest | None:
    return next((digest for digest in reversed(digests) if digest.last < start), None)


def _history(
    newest_first: Sequence[Candidate], digest: Digest | None, dropped: Candidate | None, reason: str
) -> History:
    number = None if dropped is None else dropped.sequence_number
    return History(kept=newest_first[::-1], digest=digest, newest_dropped=number, reason=reason)


def _cut(newest: Candidate, room: int, count: Callable[[str], int]) -> Candidate | None:
    """Its beginning and its end, as much as fits; `None` when nothing does."""
    text = newest.text
    if newest.parts is not None:  # nobody knows what half of a result means
        return None
    length = int(len(text) * room / newest.tokens) if room > 0 else 0
    while length >= 2:
        tail = length // 3
        mark = CUT_MARK.format(tokens=newest.tokens - int(newest.tokens * length / len(text)))
        shorter = text[: length - tail] + mark + text[len(text) - tail :]
        tokens = count(shorter)
        if tokens <= room:
            return newest._replace(text=shorter, tokens=tokens)
        length = int(length * CUT_STEP)
    return None


def _part(tokens: int, reason: str) -> dict[str, Any]:
    return {"tokens": tokens, "reason": reason}


def _pinned(frame: Frame, pinned: Sequence[Candidate]) -> dict[str, Any] | None:
    if not pinned and not frame.pinned_without_room:
        return None
    return {
        "numbers": [pin.sequence_number for pin in pinned],
        "tokens": sum(pin.tokens for pin in pinned),
        "without_room": frame.pinned_without_room,
        "reason": REASONS["pinned"],
    }


def _summarised(digest: Digest | None) -> dict[str, Any] | None:
    if digest is None:
        return None
    return {
        "id": digest.id,
        "first": digest.first,
        "last": digest.last,
        "tokens": digest.tokens,
        "reason": REASONS["summary"],
    }


def _sent(kept: Sequence[Candidate], frame: Frame, reason: str) -> dict[str, Any]:
    newest = frame.newest
    sent = {
        "first": kept[0].sequence_number if kept else newest.sequence_number,
        "last": newest.sequence_number,
        "count": len(kept) + 1,
        "tokens": sum(candidate.tokens for candidate in kept) + newest.tokens,
        "reason": reason,
    }
    return sent | {"cut_tokens": frame.cut_tokens} if frame.cut_tokens else sent


def _recalled(recalled: Sequence[Recalled], note: tuple[str, int] | None) -> dict[str, Any] | None:
    if not recalled or note is None:
        return None
    messages = [
        {"number": one.candidate.sequence_number, "tokens": one.candidate.tokens, "score": round(one.score, 3)}
        | ({"conversation_id": one.conversation_id} if one.conversation_id else {})
        for one in recalled
    ]
    return {"messages": messages, "tokens": note[1], "reason": REASONS["recalled"]}


def _dropped(history: History) -> dict[str, Any] | None:
    if history.newest_dropped is None:
        return None
    covered = history.digest.last if history.digest else 0
    is_covered = covered >= history.newest_dropped
    return {
        "last": history.newest_dropped,
        "summarised_to": covered or None,
        "reason": f"{OLDER}; the summary covers them" if is_covered else OLDER,
    }
