"""Where the CPU of a streamed turn goes: cProfile over the whole server, under load from another process.

cProfile sees one thread, so SQLite's transactions run on the event loop's here, not on threads of their own.
"""

import asyncio
import cProfile
import pstats
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn

from benchmarks.load import Load, send_from_a_process
from benchmarks.processes import free_port
from benchmarks.product import product_environment, token_for, upstream_server
from benchmarks.table import Bar
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.infra.db.sqlite import SqliteDatabase

TURNS = 200
LINES = 45


def measure(is_tiny: bool) -> list[Bar]:
    """Print the costliest functions, by their own time and with what they call. No bars."""
    turns = 2 if is_tiny else TURNS
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder, upstream_server() as upstream:
        environment = product_environment(Path(folder), upstream_port=upstream.port)
        with (
            mock.patch.dict("os.environ", environment),
            mock.patch.object(SqliteDatabase, "_run", _run_inline),
        ):
            asyncio.run(_serve(token_for(Path(folder)), turns, profile))
    for order in ("tottime", "cumtime"):
        pstats.Stats(profile, stream=sys.stdout).strip_dirs().sort_stats(order).print_stats(LINES)
    return []


async def _serve(token: str, turns: int, profile: cProfile.Profile) -> None:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(), port=port, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    await asyncio.to_thread(send_from_a_process, Load(port=port, connections=1, turns=2, token=token))
    with profile:
        await asyncio.to_thread(send_from_a_process, Load(port=port, connections=4, turns=turns // 4 or 1, token=token))
    server.should_exit = True
    await serving


async def _run_inline(database: Any, _pool: object, begin: str, work: Callable[[Any], Any]) -> Any:
    return database._transact(begin, work)
