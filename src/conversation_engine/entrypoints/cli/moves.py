"""`convo export`: conversations as files."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.kernel.ids import ConversationId, UserId, parse_id
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.people.moves.words import ExportForm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conversation_engine.engine.engine import ConversationEngine


def export(
    conversation: Annotated[str | None, typer.Argument(help="Its id; unset: all of the user's.")] = None,
    *,
    user: Annotated[str, typer.Option(help="Whose conversations.")] = "local",
    form: Annotated[ExportForm, typer.Option("--format", help="What to write.")] = ExportForm.JSON,
    output: Annotated[Path | None, typer.Option(help="File to write; standard output if unset.")] = None,
) -> None:
    """Write a conversation, or all of somebody's, as a file. Only `json` has everything and can be brought in again."""
    caller = Principal(user_id=UserId(user), role=Role.ADMIN)
    known = None if conversation is None else ConversationId(parse_id(conversation))
    if output is None:
        asyncio.run(_export(caller, known, form, sys.stdout.buffer))
        return
    unfinished = output.with_name(f"{output.name}.part")
    with unfinished.open("wb") as file:
        asyncio.run(_export(caller, known, form, file))
    unfinished.replace(output)


async def _export(caller: Principal, known: ConversationId | None, form: ExportForm, file: IO[bytes]) -> None:
    async with _store() as engine:
        if known is None:
            export = engine.exports.of_owner(caller.user_id, form)
        else:
            export = await engine.exports.of_conversation(caller, known, form)
        async for piece in export.pieces:
            file.write(piece)
    file.flush()


@asynccontextmanager
async def _store() -> "AsyncIterator[ConversationEngine]":
    """Over the database alone: no turn is run or recovered for this."""
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.infra.db.opening import backend_of

    settings = load_settings()
    engine = ConversationEngine(settings)
    try:
        await prepare(engine.database, is_embedded=backend_of(settings.resolved_database_url) == "sqlite")
        yield engine
    finally:
        await engine.aclose()
