"""The order in which messages can be written: parents first, and else as they were said."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from conversation_engine.domains.conversations.types import MessageRole
from conversation_engine.people.moves.importing.types import Read
from conversation_engine.people.moves.importing.values import parent
from conversation_engine.people.moves.types import Problem


def in_order(messages: Sequence[Read]) -> tuple[list[Read], list[Problem]]:
    """The messages that say something, parents first, each under the nearest ancestor that says something too.

    Where a parent is not there, or messages follow each other in a ring, one becomes a first message. Pure, O(n log n).
    """
    problems: list[Problem] = []
    unique = _unique(messages, problems)
    parents = _parents(unique, problems)
    above = _speaking(parents, unique)
    kept = [replace(one, parent_key=above[key]) for key, one in unique.items() if one.content]
    return _sorted(kept), problems


def silent(key: object, parent_key: object, position: str) -> list[Read]:
    """In the place of a message that cannot be taken, so that what follows it stays where it is."""
    if not isinstance(key, str) or not key:
        return []
    return [Read(key=key, position=position, parent_key=parent(parent_key), role=MessageRole.SYSTEM, content="")]


def _unique(messages: Sequence[Read], problems: list[Problem]) -> dict[str, Read]:
    unique: dict[str, Read] = {}
    for one in messages:
        if one.key in unique:
            problems.append(Problem(position=one.position, sentence="Another message has the same id."))
        else:
            unique[one.key] = one
    return unique


def _parents(unique: dict[str, Read], problems: list[Problem]) -> dict[str, str | None]:
    """Of each message; every way up ends."""
    parents: dict[str, str | None] = {}
    for key, one in unique.items():
        parents[key] = one.parent_key
        if one.parent_key is not None and one.parent_key not in unique:
            sentence = "What it follows is not in the file: it is a first message now."
            problems.append(Problem(position=one.position, sentence=sentence, is_lost=False))
            parents[key] = None
    ending: set[str] = set()
    for key in parents:
        way: list[str] = []
        on_way: set[str] = set()
        at: str | None = key
        while at is not None and at not in ending:
            if at in on_way:
                sentence = "It follows itself in a ring: it is a first message now."
                problems.append(Problem(position=unique[at].position, sentence=sentence, is_lost=False))
                parents[at] = None
                break
            way.append(at)
            on_way.add(at)
            at = parents[at]
        ending.update(way)
    return parents


def _speaking(parents: dict[str, str | None], unique: dict[str, Read]) -> dict[str, str | None]:
    """Of each message the nearest above it that says something."""
    above: dict[str, str | None] = {}
    for key in parents:
        way: list[str] = []
        at: str | None = key
        while at is not None and at not in above:
            way.append(at)
            at = parents[at]
        for each in reversed(way):
            parent = parents[each]
            above[each] = parent if parent is None or unique[parent].content else above[parent]
    return above


def _sorted(messages: Sequence[Read]) -> list[Read]:
    """Parents first; of those that could come next the one that was said first, or that stands first in the file."""
    children: dict[str | None, list[int]] = defaultdict(list)
    for index, one in enumerate(messages):
        children[one.parent_key].append(index)
    ordered: list[Read] = []
    waiting = [_rank(messages, index, None) for index in children[None]]
    heapq.heapify(waiting)
    while waiting:
        _, at, index = heapq.heappop(waiting)
        ordered.append(messages[index])
        for child in children[messages[index].key]:
            heapq.heappush(waiting, _rank(messages, child, at))
    return ordered


def _rank(messages: Sequence[Read], index: int, parents_time: float | None) -> tuple[int, float, int]:
    one = messages[index]
    own_time = None if one.created_at is None else _seconds(one.created_at)
    return one.sequence_number or 0, max(filter(None, [own_time, parents_time]), default=0.0), index


def _seconds(at: datetime) -> float:
    return at.timestamp()
