"""Where the time of a streamed turn goes: cProfile over the service and its frames, with the stub upstream.

cProfile sees one thread, so transactions run on the event loop's here, not on SQLite's own.
"""

import asyncio
import contextlib
import cProfile
import pstats
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from benchmarks.product import upstream_server
from benchmarks.table import Bar
from benchmarks.talking import OWNER
from benchmarks.texts import QUESTIONS
from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.turns.schemas import frame_of
from conversation_engine.turns.types import NewTurn

TURNS = 200
LINES = 45


def measure(is_tiny: bool) -> list[Bar]:
    """Print the costliest functions, by their own time. No bars."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder, upstream_server() as upstream:
        asyncio.run(_talk(Path(folder), upstream.port, 2 if is_tiny else TURNS, profile))
    pstats.Stats(profile).sort_stats("tottime").print_stats(LINES)
    return []


async def _talk(folder: Path, upstream_port: int, turns: int, profile: cProfile.Profile) -> None:
    settings = Settings(
        data_dir=folder,
        model="openai/stub",
        openai_base_url=f"http://127.0.0.1:{upstream_port}/v1",
        openai_api_key="x",  # type: ignore[arg-type]
    )
    async with ConversationEngine(settings) as engine:
        _run_inline(engine)
        conversation = await engine.conversations.create(NewConversation(owner_id=OWNER))
        new = NewTurn(conversation_id=conversation.id, owner_id=OWNER, content=QUESTIONS[0])
        for i in range(turns + 3):
            with profile if i >= 3 else contextlib.nullcontext():  # the first ones import and compile
                async for event in engine.turns.follow(await engine.turns.submit(new)):
                    frame_of(event)


def _run_inline(engine: ConversationEngine) -> None:
    database: Any = engine.database

    async def run(_pool: object, begin: str, work: Callable[[Any], Any]) -> Any:
        return database._transact(begin, work)

    database._run = run
