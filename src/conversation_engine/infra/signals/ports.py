"""What is asked of signals."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Subscription(Protocol):
    """One reader's ear for one topic. Belongs to one task at a time."""

    @property
    def payload(self) -> str:
        """What came with the newest hint; empty where hints may have been missed."""
        ...

    async def wait(self, timeout_seconds: float) -> bool:
        """Whether a hint came since the last wait, as soon as one does; false when the time is over.

        Many hints between two waits are one. A hint may be false (nothing has changed) and may be missing: look into
        the store when this returns, whatever it returns.
        """
        ...


class Signals(Protocol):
    """Hints to whoever listens to a topic, in this process and in others. `start` before use, `aclose` after.

    A process keeps its connections to itself: their number depends neither on topics nor on subscribers.
    """

    @property
    def is_shared(self) -> bool:
        """Whether hints of other processes arrive at the moment, so that readers may look less often unasked.

        Every subscriber is woken when this changes.
        """
        ...

    async def publish(self, topic: str, payload: str = "") -> None:
        """Tell the topic's subscribers. Best effort: returns at once, and never raises because a connection is lost.

        Hints of one topic that could not leave yet become one, with the newest payload. Raises ValueError for a hint
        of more than `HINT_BYTES`.
        """
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Listen until the context is left. Subscribe first, then look into the store: so nothing is missed."""
        ...

    async def start(self) -> None:
        """Begin to hear others; returns before the connection stands. Idempotent."""
        ...

    async def aclose(self) -> None:
        """Let the last hints leave, at most `CLOSING_SECONDS`, then let go of every task and connection. Idempotent."""
        ...
