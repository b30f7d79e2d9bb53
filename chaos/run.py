"""One run: start everything, do harm under load, let it come to rest, compare."""

import asyncio
import contextlib
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from random import Random

from benchmarks.processes import asgi_server
from benchmarks.product import product_environment, token_for
from chaos.audit import Audit
from chaos.caches import Cache, cache_environment, open_cache
from chaos.clients import Client
from chaos.door import Door
from chaos.events import events_of
from chaos.fleet import Fleet
from chaos.harms import Scene, harm
from chaos.judge import Judge
from chaos.options import PRODUCT_SETTINGS, TOTAL_SECONDS, Options
from chaos.report import Report, exceptions_in
from chaos.said import Said
from chaos.stores import Store, open_store


@contextlib.asynccontextmanager
async def _scene(options: Options, folder: Path) -> AsyncIterator[Scene]:
    """The stub, the database and the servers."""
    upstream = asgi_server("chaos.upstream:app", path="/", environment={"CHAOS_SEED": str(options.seed)})
    async with open_store(options.database, folder) as store, open_cache() as cache:
        with upstream as stub:
            environment = _environment(folder, store=store, cache=cache, upstream_port=stub.port)
            environment |= dict(options.settings)
            async with Fleet(options.servers, environment=environment, logs=folder).running() as fleet:
                yield Scene(
                    fleet=fleet,
                    store=store,
                    cache=cache,
                    random=Random(f"{options.seed}:harm"),
                    pause_most_seconds=options.pause_most_seconds,
                )


def _environment(folder: Path, *, store: Store, cache: Cache | None, upstream_port: int) -> dict[str, str]:
    return {
        **product_environment(folder, upstream_port=upstream_port),
        **PRODUCT_SETTINGS,
        **cache_environment(cache),
        "CE_DATABASE_URL": store.url,
    }


async def run(options: Options, *, folder: Path | None = None) -> Report:
    """Do it all. Logs and data stay in `folder` where one is given."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        token = token_for(place)
        async with _scene(options, place) as scene, Door(scene.fleet, token=token) as door:
            return await _work(options, scene, door, logs=place)


async def _work(options: Options, scene: Scene, door: Door, *, logs: Path) -> Report:
    started = time.monotonic()
    is_idempotent = await knows_keys(door) if options.is_idempotent is None else options.is_idempotent
    said = await _talk(options, scene, door)
    kept = await Audit(door, random=Random(f"{options.seed}:audit"))(said, database_url=scene.store.url)
    seats = scene.fleet.seats
    judge = Judge(
        is_idempotent=is_idempotent,
        recovery_limit_seconds=options.recovery_limit_seconds,
        deaths=[seat.deaths for seat in seats],
        ups=[up for seat in seats for up in seat.ups],
    )
    return Report(
        options=options,
        seconds=time.monotonic() - started,
        said=said,
        findings=judge.findings(said, kept),
        recovery_seconds=judge.recovery_seconds(said, kept),
        states=Counter(turn.detail["state"] for turn in kept.turns.values()),
        harms=scene.done,
        refusals=door.refusals,
        own_deaths=sum(len(seat.deaths) - len(seat.asked) for seat in seats),
        start_seconds=[seconds for seat in seats for seconds in seat.start_seconds],
        is_idempotent=is_idempotent,
        errors=exceptions_in(logs),
    )


async def _talk(options: Options, scene: Scene, door: Door) -> list[Said]:
    """All that was said while harm was done."""
    clients = [Client(door, random=Random(f"{options.seed}:client:{n}")) for n in range(options.clients)]
    tasks = [asyncio.create_task(client.run(), name="client") for client in clients]
    try:
        await _harm_while_running(scene, options, tasks)
        await scene.fleet.until_ready()
        await _let_end(clients, tasks, seconds=options.recovery_limit_seconds + TOTAL_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [one for client in clients for one in client.said]


async def _harm_while_running(scene: Scene, options: Options, tasks: Sequence["asyncio.Task[None]"]) -> None:
    harming = asyncio.create_task(harm(scene, options), name="harm")
    await asyncio.wait([harming, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if not harming.done():  # a client has ended before it was told to: a defect of ours
        harming.cancel()
        await asyncio.gather(*(task for task in tasks if task.done()))
    await harming


async def _let_end(clients: Sequence[Client], tasks: Sequence["asyncio.Task[None]"], *, seconds: float) -> None:
    """Everybody hears the current answer to its end; who does not in time is stuck, and the audit will see it."""
    for client in clients:
        client.leave()
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def knows_keys(door: Door) -> bool:
    """Whether the same `Idempotency-Key` gives the same turn: asked before any harm is done."""
    random = Random(0)
    conversation = await door.json("POST", "/conversations", random=random, body={})
    key = str(uuid.uuid4())
    turns = [await _turn_of(door, conversation["id"], key=key) for _ in range(2)]
    return turns[0] == turns[1]


async def _turn_of(door: Door, conversation_id: str, *, key: str) -> str:
    seat, path = door.pick(Random(0)), f"/conversations/{conversation_id}/turns"
    headers = {"accept": "text/event-stream", "idempotency-key": key}
    async with (
        door.ask(seat, "POST", path, body={"content": "probe"}, headers=headers) as answer,
        aclosing(events_of(answer)) as events,
    ):
        ids: list[str] = [event.data["id"] async for event in events if event.name == "turn.started"]
    return ids[0]
