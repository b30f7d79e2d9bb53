"""`convo db`: the schema, and moving from one database to another."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conversation_engine.infra.db.copies.values import Digest

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _database() -> None:
    """The database."""


@app.command("upgrade")
def upgrade() -> None:
    """Bring the configured database to this version's schema. Safe to repeat, and while others do the same."""
    import asyncio

    print(f"{asyncio.run(_upgrade())} has this version's schema.")


async def _upgrade() -> str:
    """Where the data is, without credentials."""
    from conversation_engine.engine import migrating
    from conversation_engine.infra.db.opening import open_database

    settings = load_settings()
    database = open_database(settings.resolved_database_url, settings)
    try:
        await migrating.upgrade(database)
    finally:
        await database.aclose()
    return database.url


@app.command("copy")
def copy(
    source: Annotated[str, typer.Argument(help="Where the data is: sqlite:///PATH or postgresql://USER@HOST/NAME.")],
    target: Annotated[str, typer.Argument(help="Where it is to be, the same way: a database without rows.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Copy everything from one database into another of either kind, all or nothing, and print a digest per table.

    The digests are of what was read and of what was written, and are the same in both. A password may be in
    PGPASSWORD or in ~/.pgpass instead of the address.
    """
    import asyncio

    digests = asyncio.run(_copy(source, target, is_told=not as_json and sys.stderr.isatty()))
    if as_json:
        print(json.dumps({name: {"rows": one.rows, "digest": str(one)} for name, one in digests.items()}, indent=2))
        return
    width = max(map(len, digests))
    for name, one in digests.items():
        print(f"{name:{width}}  {one.rows:>9}  {str(one)[:16]}")


async def _copy(source: str, target: str, *, is_told: bool) -> "Mapping[str, Digest]":
    from conversation_engine.engine.copying import copy_database

    def tell(table: str, rows: int) -> None:
        if is_told:
            print(f"\r\x1b[K{table}: {rows}", end="", file=sys.stderr, flush=True)

    digests = await copy_database(source, target, settings=load_settings(), told=tell)
    if is_told:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return digests


@app.command("backup")
def backup(
    path: Annotated[
        Path, typer.Argument(help="File to write; one that is there is replaced when the new one is whole.")
    ],
) -> None:
    """Write a checked copy of the configured SQLite file while servers go on. To restore it, put it in its place."""
    from conversation_engine.infra.db.copies.backup import back_up

    size = back_up(load_settings().resolved_database_url, path)
    print(f"{path} has everything up to now: {size} bytes, checked.")
