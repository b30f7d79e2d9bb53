"""One process: hints stay in memory."""

from contextlib import AbstractAsyncContextManager

from conversation_engine.infra.signals.hub import Hub, encoded
from conversation_engine.infra.signals.ports import Subscription


class LocalSignals:
    """`Signals` that reach nobody else. A hint is delivered when `publish` returns."""

    def __init__(self) -> None:
        self._hub = Hub()

    @property
    def is_shared(self) -> bool:
        return False

    async def publish(self, topic: str, payload: str = "") -> None:
        encoded(topic, payload)
        self._hub.deliver(topic, payload)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self._hub.subscribe(topic)

    async def start(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
