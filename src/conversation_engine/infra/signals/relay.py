"""Hints between processes, over a line that may break.

One task keeps one line open; while there is none, hints to send are kept (one a topic) and readers live on what they
look up unasked. Whenever a line opens or is lost every subscriber is woken, since hints may have been missed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Protocol

from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.signals.hub import Hub, encoded
from conversation_engine.infra.signals.ports import Subscription

EVERYTHING: Final = "*"
"""The topic that wakes every subscriber of every process."""
OUTBOX_TOPICS: Final = 10_000
"""So many hints are kept while there is no line; beyond, one to everybody takes their place."""
OPENING_SECONDS: Final = 5.0
SAYING_SECONDS: Final = 5.0
"""What takes longer than these two is a dead line that nobody has reported."""
QUIET_SECONDS: Final = 10.0
"""After so much silence the line is tested: a peer that vanished without a word is noticed within 15 s."""
CLOSING_SECONDS: Final = 0.5
FIRST_RETRY_SECONDS: Final = 0.05
LAST_RETRY_SECONDS: Final = 1.0
_log = get_logger(__name__)


class Line(Protocol):
    """A connection to the other processes, open until one of its verbs raises. All but `hear` are called in turn."""

    async def hear(self) -> None:
        """Hand over hints as they come, for ever; raises what broke the line."""
        ...

    async def tune(self, *, wanted: Collection[str], unwanted: Collection[str]) -> None:
        """Hear these topics from now on, and those no more. Each wanted one is hinted at once that is true."""
        ...

    async def say(self, hints: Mapping[str, str]) -> None:
        """Send payloads by topic; returns when they have left."""
        ...

    async def test(self) -> None:
        """Raise, or never return, if the other end is gone."""
        ...

    async def aclose(self) -> None:
        """Let go of it, whatever state it is in. Does not raise."""
        ...


OpenLine = Callable[[Callable[[str, str], None]], Awaitable[Line]]
"""Connects; the argument takes topic and payload of each hint that another process sent."""


class RelayedSignals:
    """`Signals` between processes. Belongs to the event loop in which it was started."""

    def __init__(self, open_line: OpenLine, *, kind: str) -> None:
        """`kind` names the way in logs."""
        self._open_line = open_line
        self._kind = kind
        self._hub = Hub(on_change=self._retune)
        self._line: Line | None = None
        self._outbox: dict[str, str] = {}
        self._changed_topics: set[str] = set()
        self._work = asyncio.Event()
        self._all_said = asyncio.Event()
        self._is_outage_told = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_shared(self) -> bool:
        return self._line is not None

    async def publish(self, topic: str, payload: str = "") -> None:
        encoded(topic, payload)
        self._hub.deliver(topic, payload)
        if self._keeper is None:
            return
        if len(self._outbox) >= OUTBOX_TOPICS and topic not in self._outbox:
            self._outbox = {EVERYTHING: ""}
        self._outbox[topic] = payload
        self._all_said.clear()
        self._work.set()

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self._hub.subscribe(topic)

    async def start(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_open(), name=f"signals-{self._kind}")

    async def aclose(self) -> None:
        if self._keeper is None:
            return
        if self._outbox and self._line is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self._all_said.wait()
        keeper, self._keeper = self._keeper, None
        keeper.cancel()
        await asyncio.wait([keeper])

    # ── inside ──

    async def _keep_open(self) -> None:
        loop, wait = asyncio.get_running_loop(), FIRST_RETRY_SECONDS
        while True:
            began = loop.time()
            line = await self._opened()
            if line is not None:
                await self._use(line)
                if loop.time() - began > LAST_RETRY_SECONDS:
                    wait = FIRST_RETRY_SECONDS
            await asyncio.sleep(wait)
            wait = min(2 * wait, LAST_RETRY_SECONDS)

    async def _opened(self) -> Line | None:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                return await self._open_line(self._heard)
        except Exception as error:  # noqa: BLE001 - whatever the peer or the network says, try again
            self._tell_outage(error)
            return None

    async def _use(self, line: Line) -> None:
        """Hear and speak until the line is lost."""
        self._line = line
        self._changed_topics = {EVERYTHING, *self._hub.topics}
        self._work.set()
        self._hub.wake_all()
        _log.info("signals.connected", kind=self._kind)
        self._is_outage_told = False
        # No TaskGroup: it forgets that it was cancelled when a task fails while it ends.
        hearing = asyncio.create_task(line.hear(), name=f"signals-{self._kind}-hear")
        speaking = asyncio.create_task(self._speak(line), name=f"signals-{self._kind}-speak")
        try:
            done, _ = await asyncio.wait([hearing, speaking], return_when=asyncio.FIRST_COMPLETED)
            self._tell_outage(done.pop().exception())
        finally:
            self._line = None
            self._hub.wake_all()
            hearing.cancel()
            speaking.cancel()
            await line.aclose()
            await asyncio.gather(hearing, speaking, return_exceptions=True)

    async def _speak(self, line: Line) -> None:
        while self._line is line:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_SECONDS):
                    await self._work.wait()
            async with asyncio.timeout(SAYING_SECONDS):
                await self._say(line)

    async def _say(self, line: Line) -> None:
        self._work.clear()
        changed, self._changed_topics = self._changed_topics, set()
        if changed:
            wanted = changed & {EVERYTHING, *self._hub.topics}
            await line.tune(wanted=wanted, unwanted=changed - wanted)
        hints, self._outbox = self._outbox, {}
        try:
            if hints:
                await line.say(hints)
            elif not changed:
                await line.test()
        except BaseException:
            self._outbox = hints | self._outbox  # said twice is harmless
            raise
        if not self._outbox:
            self._all_said.set()

    def _heard(self, topic: str, payload: str) -> None:
        if topic == EVERYTHING:
            self._hub.wake_all()
        else:
            self._hub.deliver(topic, payload)

    def _retune(self, topic: str) -> None:
        if self._line is not None:
            self._changed_topics.add(topic)
            self._work.set()

    def _tell_outage(self, error: BaseException | None) -> None:
        if not self._is_outage_told:
            _log.warning("signals.lost", kind=self._kind, error=type(error).__name__)
            self._is_outage_told = True
