"""What a process does over and over in the background, beside turns."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from random import Random
from typing import Final

from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.signals.hub import HubSubscription
from conversation_engine.infra.signals.ports import Subscription

BESIDE_TURNS: Final = 50
"""Rest times of what may have a fiftieth of one core: a twentieth each cost a tenth of the turns."""
FIRST_RETRY_SECONDS: Final = 1.0
_log = get_logger(__name__)


class Chore:
    """Rounds of `work` from `start` to `aclose`, with pauses in between. It outlives the store's bad minutes.

    A round that returns True has more to do, and goes on after its rest. One that raises is logged (`chore.failed`) and
    done again sooner: after about a second, two, four …, never later than it would have been anyway.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        *,
        seconds: float | Callable[[], float],
        rest_times: Callable[[], float] = lambda: 0.0,
        hints: Callable[[], AbstractAsyncContextManager[Subscription]] | None = None,
        is_first_at_once: bool = True,
    ) -> None:
        """`seconds` between rounds, 0: never any; at least `rest_times()` as long as the round took.

        `hints` end a pause, as `wake` does where there are none.
        """
        self._name = name
        self._work = work
        self._seconds = seconds if callable(seconds) else lambda: seconds
        self._rest_times = rest_times
        self._bell = HubSubscription()
        self._dice = Random()  # noqa: S311 - the shared one is not ours to roll: who seeds it counts on its next number
        self._hints = hints or (lambda: nullcontext(self._bell))
        self._is_first_at_once = is_first_at_once
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. Idempotent."""
        if self._task is None and self._seconds():
            self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """Begin the next round now. Not for work that rests in proportion."""
        self._bell.hint("")

    async def aclose(self) -> None:
        """Stop, in the middle of a round if need be. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        failures = 0
        async with self._hints() as hints:
            if not self._is_first_at_once:
                await hints.wait(self._seconds())
            while True:
                begun = _now()
                is_more = False
                try:
                    is_more = await self._work() is True
                    failures = 0
                except Exception as error:  # noqa: BLE001 - a chore must outlive the store's bad minutes
                    failures += 1
                    _log.warning("chore.failed", chore=self._name, error=type(error).__name__)
                least = 0.0 if is_more else pause(self._seconds(), failures=failures, luck=self._dice.random())
                await hints.wait(max(least, (_now() - begun) * self._rest_times()))


def pause(seconds: float, *, failures: int, luck: float) -> float:
    """How long to wait after a round, of which so many have failed in a row; `luck` from 0 to 1.

    Many processes that lost the same store come back at different moments.
    """
    if not failures:
        return seconds
    return min(seconds, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 20)) * (1 + luck) / 2


def _now() -> float:
    return asyncio.get_running_loop().time()
