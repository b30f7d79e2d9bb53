"""`convo export` and `convo import`: conversations as files."""

import asyncio
import re
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS, ConversationId, UserId, parse_id
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.kernel.text import checked_text
from conversation_engine.people.moves.words import ExportForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

    from conversation_engine.people.moves.types import Report

IN_ARCHIVES: Final = re.compile(r"(^|/)conversations(-\d+)?\.json$")
"""What ChatGPT and Claude call their files of conversations."""


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


def import_(
    paths: Annotated[list[Path], typer.Argument(help="JSON files, or archives as ChatGPT and Claude send them.")],
    user: Annotated[str, typer.Option(help="Whose they become.")] = "local",
) -> None:
    """Bring in conversations: our own files, ChatGPT's, Claude's, LibreChat's.

    The same file again adds nothing. What cannot be taken is told by its position, and the rest goes in: exit code 65.
    """
    for path in paths:
        if not path.is_file():
            raise InvalidInputError(f"There is no file {path}.", field="paths")
    owner_id = UserId(checked_text(user, name="user", limit_characters=USER_ID_LIMIT_CHARACTERS))
    reports = asyncio.run(_import(paths, owner_id))
    for name, report in reports:
        for line in _told(name, report):
            print(line)
        for problem in report.problems:
            where = f"{name} {problem.position}".rstrip()
            typer.secho(f"{where}: {problem.sentence}", fg="red" if problem.is_lost else "yellow", err=True)
        if more := report.problem_count - len(report.problems):
            typer.secho(f"{name}: and {more} more problems", fg="red", err=True)
    if any(report.lost_count for _, report in reports):
        raise typer.Exit(65)


async def _import(paths: list[Path], owner_id: UserId) -> "list[tuple[str, Report]]":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    reports = []
    async with store() as engine:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            for name, size, opened in _files(paths):
                task = progress.add_task(name, total=size)
                with opened() as file:
                    told = partial(_advance, progress, task)
                    reports.append((name, await engine.imports.bring_in(owner_id, file, told=told)))
    return reports


def _advance(progress: "Progress", task: "TaskID", count: int) -> None:
    progress.update(task, completed=count)


def _files(paths: list[Path]) -> "Iterator[tuple[str, int, Callable[[], IO[bytes]]]]":
    """Each with its name and its size; of an archive the files that conversations are in."""
    for path in paths:
        if not zipfile.is_zipfile(path):
            yield path.name, path.stat().st_size, partial(_binary, path)
            continue
        with zipfile.ZipFile(path) as archive:
            inside = [one for one in archive.infolist() if IN_ARCHIVES.search(one.filename)]
            if not inside:
                raise InvalidInputError(f"There is no conversations.json in {path}.", field="paths")
            for one in inside:
                yield f"{path.name}/{one.filename}", one.file_size, partial(archive.open, one)


def _binary(path: Path) -> IO[bytes]:
    return path.open("rb")


def _told(name: str, report: "Report") -> "Iterator[str]":
    yield (
        f"{name}: {report.conversations_added} conversations added, {report.conversations_extended} extended, "
        f"{report.conversations_known} known already; {report.messages_added} messages"
    )
    notes = {
        "attachments noted (the files themselves are not in it)": report.attachments,
        "messages of tools": report.tool_messages,
        "opinions": report.opinions_added,
        "problems": report.problem_count,
    }
    yield from (f"  {count} {what}" for what, count in notes.items() if count)


async def _export(caller: Principal, known: ConversationId | None, form: ExportForm, file: IO[bytes]) -> None:
    async with store() as engine:
        if known is None:
            export = engine.exports.of_owner(caller.user_id, form)
        else:
            export = await engine.exports.of_conversation(caller, known, form)
        async for piece in export.pieces:
            file.write(piece)
    file.flush()
