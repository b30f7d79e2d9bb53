"""A reply while it is said: what a page shows of it, as often as an eye can follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from conversation_engine.client import ReplyDelta, Turn, TurnEnded, TurnEvent, TurnRestarted
from conversation_engine.entrypoints.ui.api import Api

LOOK_SECONDS: Final = 0.05
"""Twenty looks a second: words come one by one, and each look costs the browser a rendering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as far as it is said."""

    text: str
    turn: Turn | None = None
    """The turn when it has ended, however it did."""


def follow(api: Api, conversation_id: str, turn_id: str) -> Iterator[Reply]:
    """The reply of a turn from its first word on, with a look at least every `LOOK_SECONDS`, until it has ended.

    A connection that breaks is made again from where it broke.
    """
    reply = Reply(text="")
    for events in api.looks(conversation_id, turn_id, seconds=LOOK_SECONDS):
        for event in events:
            reply = _with(reply, event)
        yield reply


def _with(reply: Reply, event: TurnEvent) -> Reply:
    match event:
        case ReplyDelta(text=text):
            return Reply(text=reply.text + text)
        case TurnRestarted():
            return Reply(text="")
        case TurnEnded(turn=turn):
            return Reply(text=reply.text, turn=turn)
        case _:
            return reply
