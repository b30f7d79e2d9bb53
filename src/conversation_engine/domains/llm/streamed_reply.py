"""What the adapters have in common: a reply that is read event by event from a stream."""

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from conversation_engine.domains.llm import transcript
from conversation_engine.domains.llm.errors import MalformedStreamError, ModelError
from conversation_engine.domains.llm.translation import CAUSE_LIMIT
from conversation_engine.domains.llm.types import ModelEvent, ReplyFinished, TextDelta
from conversation_engine.domains.llm.wire import Endpoint, drain
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.text import storable


class StreamedReply(ABC):
    """What has been read of one stream, in one dialect."""

    def __init__(self, *, is_transcript: bool = False) -> None:
        """`is_transcript`: tools were offered, so what is read is a transcript."""
        self.is_transcript = is_transcript
        self.is_done = False
        self.error: ModelError | None = None
        self.call_id: str | None = None
        self.is_in_call = False

    def read(self, payloads: list[bytes]) -> str:
        """The text in payloads that arrived together, up to the end or to what cannot be read (then in `error`)."""
        pieces = []
        for payload in payloads:
            try:
                if piece := self._read_one(payload):
                    pieces.append(piece)
            except ModelError as error:
                self.error = error
            except (KeyError, TypeError, AttributeError, IndexError):
                self.error = MalformedStreamError(f"unexpected event: {payload!r}")
            if self.is_done or self.error:
                break
        return "".join(pieces)

    def words(self, text: str) -> str:
        """How more text stands in a transcript; never empty."""
        begun = transcript.reopening() if self.is_in_call else ""
        self.is_in_call = False
        return begun + transcript.plain(text)

    def call(self, call_id: str | None, name: str) -> str:
        """How a call begins; one that its service gave no id is given one."""
        self.is_in_call = True
        self.call_id = call_id or f"call_{new_id().replace('-', '')}"
        return transcript.opening(self.call_id, name)

    def arguments(self, text: str) -> str:
        """How more of its arguments stand in a transcript."""
        return transcript.plain(text)

    @abstractmethod
    def finished(self) -> ReplyFinished:
        """The end of the reply. Raises StreamCutError when the stream stopped before it."""

    @abstractmethod
    def _read_one(self, payload: bytes) -> str | None:
        """The text in one payload. May raise a ModelError or what Python raises for an unexpected shape."""


async def stream_reply(
    endpoint: Endpoint, body: Mapping[str, Any], reply: StreamedReply
) -> AsyncGenerator[ModelEvent, None]:
    """POST `body` and yield what `reply` reads from the answer. Raises a ModelError, after the text before it."""
    try:
        async with endpoint.client.event_stream(endpoint, body) as batches:
            async for payloads in batches:
                if text := reply.read(payloads):
                    yield TextDelta(text=storable(text))
                if reply.error:
                    raise reply.error
                if reply.is_done:
                    await drain(batches)
                    break
        finished = reply.finished()
    except ModelError as error:
        # In this order: a secret that is cut in two is not found any more.
        error.cause = endpoint.redact(error.cause)[:CAUSE_LIMIT]
        raise
    yield finished


def count(value: Any) -> int:
    """A number of tokens as a service reports it; 0 for what is no number."""
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def text_of(value: Any) -> str:
    """`value` if it is text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError
    return value
