"""Calls of tools and their results belong together: no service takes one without the other, right after it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from conversation_engine.domains.llm.parts import Part, Parts, ToolCall, ToolResult

M = TypeVar("M", bound="Shown")
_Half = tuple[type[ToolCall] | type[ToolResult], str]
"""A call or a result, and the id that they share."""


class Shown(Protocol):
    """A message as it is about to be shown."""

    @property
    def role(self) -> str:
        """Whose it is."""
        ...

    @property
    def parts(self) -> Parts | None:
        """Where it says more than text."""
        ...


def paired(messages: Sequence[M], *, with_parts: Callable[[M, Parts], M]) -> list[M]:
    """`messages`, oldest first, without calls that nobody answered right after the reply, and without other answers.

    What else a message says stays; one that says nothing else goes.
    """
    kept: list[M] = []
    place = 0
    while place < len(messages):
        first = messages[place]
        if not _calls(first) and not _answers(first):
            kept.append(first)
            place += 1
            continue
        calling = _run(messages[place:], _is_reply) if _calls(first) else 0
        answering = _run(messages[place + calling :], _answers)
        exchange = messages[place : place + calling + answering]
        called = {call.id for one in exchange[:calling] if one.parts for call in one.parts.calls}
        answered = {result.call_id for one in exchange[calling:] if one.parts for result in one.parts.results}
        left: list[_Half] = [(kind, key) for key in called & answered for kind in (ToolCall, ToolResult)]
        shown = [_only(message, left, with_parts) for message in exchange]
        kept += [message for message in shown if message is not None]
        place += calling + answering
    return kept


def exchange_before(older: Iterator[M]) -> tuple[list[M], M | None]:
    """What results, which were just said, may belong to: the results before them and the reply before those.

    Both newest first in, oldest first out; and the first message that is no part of it, for it was read.
    """
    exchange: list[M] = []
    is_reply = False
    for message in older:
        is_reply = is_reply or not _answers(message)
        if is_reply and not _is_reply(message):
            return exchange[::-1], message
        exchange.append(message)
    return exchange[::-1], None


def _run(messages: Sequence[M], belongs: Callable[[M], bool]) -> int:
    return next((place for place, message in enumerate(messages) if not belongs(message)), len(messages))


def _is_reply(message: Shown) -> bool:
    return message.role == "assistant"


def _calls(message: Shown) -> bool:
    return _is_reply(message) and message.parts is not None and bool(message.parts.calls)


def _answers(message: Shown) -> bool:
    return not _is_reply(message) and message.parts is not None and bool(message.parts.results)


def _only(message: M, left: list[_Half], with_parts: Callable[[M, Parts], M]) -> M | None:
    """What is shown of a message: of calls and results each of those that are `left` once."""
    parts = message.parts
    if parts is None:
        return message
    items: list[Part] = []
    for part in parts.items:
        half: _Half | None = None
        match part:
            case ToolCall(id=key):
                half = (ToolCall, key)
            case ToolResult(call_id=key):
                half = (ToolResult, key)
        if half is None or half in left:
            items.append(part)
        if half in left:
            left.remove(half)
    if len(items) == len(parts.items):
        return message
    return with_parts(message, Parts(tuple(items))) if items else None
