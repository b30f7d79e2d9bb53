"""`convo migrate`: leaving other stores."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.kernel.errors import InvalidInputError

if TYPE_CHECKING:
    from conversation_engine.engine.leaving_redis import SessionsReport

app = typer.Typer(help="Leave other stores.", no_args_is_help=True)


@app.callback()
def _migrate() -> None:
    """Leave other stores."""


@app.command("redis-sessions")
def redis_sessions(
    url: Annotated[str | None, typer.Argument(help="redis://HOST:6379/0; unset: CE_VALKEY_URL.")] = None,
    *,
    match: Annotated[str, typer.Option(help="Keys to read, as SCAN takes them.")] = "session:*",
    user: Annotated[str, typer.Option(help="Whose sessions become that do not name a user.")] = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Make conversations of chat sessions in Redis or Valkey: JSON documents, lists of JSON messages, or hashes.

    Nothing is changed there. Repeated, it adds only what was said since. Exit code 65 if something was left out.
    """
    report = asyncio.run(_take(url, match, user, is_tried_only=dry_run))
    found = report.conversations
    would = "would be " if dry_run else ""
    print(
        f"{report.keys} keys of {len(report.owners)} users: {found.conversations_added} conversations {would}added, "
        f"{found.conversations_extended} extended, {found.conversations_known} known already; "
        f"{found.messages_added} messages"
    )
    for problem in found.problems:
        typer.secho(f"{problem.position}: {problem.sentence}", fg="red", err=True)
    if found.lost_count:
        raise typer.Exit(65)


async def _take(url: str | None, match: str, user: str, *, is_tried_only: bool) -> "SessionsReport":
    from pydantic import SecretStr

    from conversation_engine.engine.leaving_redis import checked_owner, take_sessions
    from conversation_engine.infra.valkey.keyspace import kept_under

    where = SecretStr(url) if url else load_settings().valkey_url
    if where is None:
        raise InvalidInputError("Say where the sessions are: convo migrate redis-sessions redis://HOST:6379/0")
    async with store() as engine:
        kept = kept_under(where, match)
        return await take_sessions(kept, engine.imports, default_owner=checked_owner(user), is_tried_only=is_tried_only)
