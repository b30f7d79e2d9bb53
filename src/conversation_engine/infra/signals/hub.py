"""Delivery inside one process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Set
from contextlib import asynccontextmanager, suppress
from typing import Final

HINT_BYTES: Final = 7_000
"""Largest hint as JSON, topic and payload together: PostgreSQL's NOTIFY carries less than 8,000 bytes."""


def encoded(topic: str, payload: str) -> str:
    """A hint in ASCII. Raises ValueError when it is too large for the narrowest way."""
    text = json.dumps([topic, payload])
    if len(text) > HINT_BYTES:
        raise ValueError(f"a hint takes {HINT_BYTES} bytes at most; put what it is about into the store")
    return text


class HubSubscription:
    """See `ports.Subscription`."""

    def __init__(self) -> None:
        self._hinted = asyncio.Event()
        self._payload = ""

    @property
    def payload(self) -> str:
        return self._payload

    def hint(self, payload: str) -> None:
        """Something has happened."""
        self._payload = payload
        self._hinted.set()

    async def wait(self, timeout_seconds: float) -> bool:
        if not self._hinted.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._hinted.wait()
        is_hinted = self._hinted.is_set()
        self._hinted.clear()
        return is_hinted


class Hub:
    """Who listens to what in this process. Belongs to one event loop."""

    def __init__(self, on_change: Callable[[str], None] = lambda topic: None) -> None:
        """`on_change` is told of a topic that gets its first subscriber or loses its last."""
        self._on_change = on_change
        self._subscriptions: dict[str, set[HubSubscription]] = {}

    @property
    def topics(self) -> Set[str]:
        """What somebody listens to."""
        return self._subscriptions.keys()

    def deliver(self, topic: str, payload: str = "") -> None:
        """Hint to the subscribers of `topic`. O(1) where there are none."""
        for subscription in self._subscriptions.get(topic, ()):
            subscription.hint(payload)

    def wake_all(self) -> None:
        """Hints may have been missed: everybody is to look."""
        for topic in self._subscriptions:
            self.deliver(topic)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[HubSubscription, None]:
        """An ear for `topic` while the context is open."""
        subscription = HubSubscription()
        self._add(topic, subscription)
        try:
            yield subscription
        finally:
            self._remove(topic, subscription)

    def _add(self, topic: str, subscription: HubSubscription) -> None:
        if topic in self._subscriptions:
            self._subscriptions[topic].add(subscription)
        else:
            self._subscriptions[topic] = {subscription}
            self._on_change(topic)

    def _remove(self, topic: str, subscription: HubSubscription) -> None:
        self._subscriptions[topic].discard(subscription)
        if not self._subscriptions[topic]:
            del self._subscriptions[topic]
            self._on_change(topic)
