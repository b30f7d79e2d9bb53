"""`convo warehouse`: conversations in Snowflake."""

import asyncio
from typing import Annotated

import typer

from conversation_engine.entrypoints.cli.stores import store

app = typer.Typer(help="Conversations in Snowflake, for analysis.", no_args_is_help=True)


@app.callback()
def _warehouse() -> None:
    """Conversations in Snowflake, for analysis."""


@app.command("init")
def init() -> None:
    """Make the tables there where they are not, and note changes here from now on. Safe to repeat."""
    asyncio.run(_init())
    print("Changes are noted from now on. `convo warehouse sync --all` carries what is older.")


@app.command("sync")
def sync(
    every: Annotated[bool, typer.Option("--all", help="Everything there is, not only what has changed.")] = False,
) -> None:
    """Carry what has changed, now; servers and workers do it every CE_WAREHOUSE_SECONDS. It may be broken off."""
    waiting = asyncio.run(_sync(is_everything=every))
    print(
        "Nothing waits."
        if not waiting
        else f"{waiting} changes wait: see `convo jobs`, or another process carries them."
    )


@app.command("status")
def status() -> None:
    """Print what waits here, and what is there."""
    asyncio.run(_status())


@app.command("off")
def off() -> None:
    """Note no changes any more. What is there stays."""
    asyncio.run(_off())
    print("Changes are not noted any more.")


async def _init() -> None:
    async with store() as engine:
        await engine.insights.warehouse.init()


async def _sync(*, is_everything: bool) -> int:
    async with store() as engine:
        return (await engine.insights.warehouse.sync(is_everything=is_everything)).waiting


async def _status() -> None:
    async with store() as engine:
        standing = await engine.insights.warehouse.standing()
        print(f"changes noted: {'yes' if standing.is_watched else 'no'}")
        print(f"changes waiting: {standing.waiting}")
        sessions, messages = await engine.insights.warehouse.counts()
        print(f"there: {sessions} sessions, {messages} messages")


async def _off() -> None:
    async with store() as engine:
        await engine.insights.warehouse.switch_off()
