"""`convo db`: the schema."""

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings

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
