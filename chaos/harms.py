"""What is done to the system while it works. A new kind of harm is a function and a line in HARMS."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from chaos.caches import Cache
from chaos.fleet import Fleet, Seat
from chaos.options import LEASE_SECONDS, Options
from chaos.stores import PostgresStore, Store

JOURNAL = "harm.log"
CHANCE_WHILE_STARTING = 0.1
"""How often a victim need not have come up before it is hit again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that can be harmed."""

    fleet: Fleet
    store: Store
    cache: Cache | None
    random: Random
    pause_most_seconds: float
    done: Counter[str] = field(default_factory=Counter)
    """How often each harm was done."""

    async def pause(self) -> None:
        """Let things go on for a while."""
        await asyncio.sleep(self.random.uniform(0, self.pause_most_seconds))

    def note(self, what: str) -> None:
        """Put it in the journal, on the clock of the servers' logs."""
        with (self.fleet.logs / JOURNAL).open("a") as journal:
            journal.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f} {what}\n")


async def kill_server(scene: Scene) -> None:
    """Signal 9 to a random server."""
    (await _victim(scene)).end(signal.SIGKILL)


async def stop_server(scene: Scene) -> None:
    """What a deployment does: ask a server to end."""
    (await _victim(scene)).end(signal.SIGTERM)


async def freeze_server(scene: Scene) -> None:
    """Hold a server still for longer than its leases last, as a suspended machine does, then let it go on."""
    seat = await _victim(scene)
    was_ready = seat.ready.is_set()
    seat.go_down()
    seat.send(signal.SIGSTOP)
    await asyncio.sleep(LEASE_SECONDS * scene.random.uniform(1.2, 2.5))
    seat.send(signal.SIGCONT)
    if was_ready:
        seat.come_up()


async def restart_database(scene: Scene) -> None:
    """Orderly."""
    await scene.store.restart(is_crash=False)


async def crash_database(scene: Scene) -> None:
    """At once, writing nothing down."""
    await scene.store.restart(is_crash=True)


async def kill_cache(scene: Scene) -> None:
    """What is only cached is gone."""
    assert scene.cache is not None
    await scene.cache.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of harm and how often it is done."""

    do: Callable[[Scene], Awaitable[None]]
    weight: int
    needs: Callable[[Scene], bool] = lambda _: True


HARMS = (
    Kind(do=kill_server, weight=80),
    Kind(do=stop_server, weight=6),
    Kind(do=freeze_server, weight=6),
    Kind(do=restart_database, weight=4, needs=lambda scene: isinstance(scene.store, PostgresStore)),
    Kind(do=crash_database, weight=4, needs=lambda scene: isinstance(scene.store, PostgresStore)),
    Kind(do=kill_cache, weight=6, needs=lambda scene: scene.cache is not None),
)


async def harm(scene: Scene, options: Options) -> None:
    """Do harm until so many servers were killed: each kind once, in any order, then as their weights say."""
    kinds = [kind for kind in HARMS if kind.needs(scene)]
    first = scene.random.sample(kinds, len(kinds))
    while first or scene.done[kill_server.__name__] < options.kills:
        await scene.pause()
        kind = first.pop() if first else scene.random.choices(kinds, [kind.weight for kind in kinds])[0]
        scene.note(f"{kind.do.__name__} …")
        await kind.do(scene)
        scene.note(f"{kind.do.__name__} done")
        scene.done[kind.do.__name__] += 1


async def _victim(scene: Scene) -> Seat:
    seat = scene.random.choice(scene.fleet.seats)
    if scene.random.random() > CHANCE_WHILE_STARTING:
        await scene.fleet.until_ready([seat])
        await scene.pause()
    scene.note(f"server {seat.number}, port {seat.port}, is {'ready' if seat.ready.is_set() else 'starting'}")
    return seat
