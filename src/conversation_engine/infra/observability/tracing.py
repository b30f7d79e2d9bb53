"""What the rooms of the product know of traces: a span begins, this is said of it, it is over.

No library is imported here: see `otel.py`, which is loaded only where traces are sent. What people said is never told.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, Protocol, Self

Value = str | int | float | bool | Sequence[str]
Attributes = Mapping[str, Value | None]
"""What is `None` is left out."""
NOTHING: Final[Attributes] = {}

CONVERSATION_ID: Final = "gen_ai.conversation.id"
TURN_ID: Final = "convo.turn.id"


class Span(Protocol):
    """Something that takes time. Enter it once; what is begun inside belongs to it."""

    def rename(self, name: str) -> None:
        """Call it otherwise, now that one knows better."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Say more of it: ids, codes and numbers."""
        ...

    def fail(self, error_type: str) -> None:
        """It did not do what it was to do. An exception that leaves it says so by itself."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Makes spans. Cheap enough for the steps of a turn, not meant for once a word; never raises."""

    @property
    def is_on(self) -> bool:
        """Whether anybody looks: if not, attributes need not be put together."""
        ...

    def span(self, name: str, attributes: Attributes = NOTHING, *, kind: Literal["inside", "call"] = "inside") -> Span:
        """A part of what is going on; if nothing is, a trace of its own. `call`: another service does it."""
        ...

    def request(self, name: str, headers: Mapping[str, str]) -> Span:
        """What somebody asked of us: a part of the trace that `traceparent` names, if it does."""
        ...

    async def aclose(self) -> None:
        """Send what is left."""
        ...


class _NoSpan:
    def rename(self, name: str) -> None:
        return None

    def tell(self, attributes: Attributes) -> None:
        return None

    def fail(self, error_type: str) -> None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


NO_SPAN: Final[Span] = _NoSpan()


class _NoTraces:
    is_on: Final = False

    def span(self, name: str, attributes: Attributes = NOTHING, *, kind: Literal["inside", "call"] = "inside") -> Span:
        return NO_SPAN

    def request(self, name: str, headers: Mapping[str, str]) -> Span:
        return NO_SPAN

    async def aclose(self) -> None:
        return None


NO_TRACES: Final[Tracer] = _NoTraces()
"""Nobody looks."""
