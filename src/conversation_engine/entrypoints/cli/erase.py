"""`convo erase`: gone means gone, with a receipt."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.people import LOCAL
from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, UserId, parse_id

if TYPE_CHECKING:
    from conversation_engine.people.records.types import Swept

app = typer.Typer(help="Forget for good: rows, indexes and logs, with a receipt.", no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def _erase() -> None:
    """Forget for good: rows, indexes and logs, with a receipt."""


@app.command("conversation")
def conversation(conversation_id: Annotated[str, typer.Argument(help="Its id.")], is_sure: Yes = False) -> None:
    """Erase a conversation with all that hangs on it. What its model calls cost stays, without what was asked."""
    known = ConversationId(parse_id(conversation_id))
    _make_sure(f"conversation {known}", is_sure=is_sure)
    _print(asyncio.run(_conversation(known)))


@app.command("user")
def user(user_id: Annotated[str, typer.Argument(help="Their id.")], is_sure: Yes = False) -> None:
    """Erase all that is kept about somebody."""
    _make_sure(f"all of {user_id}", is_sure=is_sure)
    _print(asyncio.run(_user(UserId(user_id))))


@app.command("old")
def old(
    days: Annotated[
        float | None, typer.Option(min=0.0, help="Nothing new for so long; unset: CE_RETENTION_DAYS.")
    ] = None,
    *,
    kind: Annotated[str, typer.Option("--type", help="Only conversations of this type.")] = "*",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    is_sure: Yes = False,
) -> None:
    """Erase conversations in which nothing has happened for long."""
    if not dry_run:
        _make_sure("all old conversations", is_sure=is_sure)
    swept = asyncio.run(_old(None if days is None else {kind: days}, is_tried_only=dry_run))
    print(f"{swept.conversations} conversations{' would be' if dry_run else ''} erased.")
    _print(swept.rows)


def _make_sure(what: str, *, is_sure: bool) -> None:
    if not is_sure and not typer.confirm(f"Erase {what}, for good?"):
        raise typer.Abort


def _print(rows: Mapping[str, int]) -> None:
    print(json.dumps(dict(sorted(rows.items())), indent=2))


async def _conversation(conversation_id: ConversationId) -> Mapping[str, int]:
    async with store() as engine:
        erased = await engine.records.erase_anybodys(LOCAL, conversation_id)
        await engine.jobs.work_off("wipe_traces")
        return erased.rows


async def _user(user_id: UserId) -> Mapping[str, int]:
    async with store() as engine:
        erased = await engine.records.erase(LOCAL, user_id)
        await engine.jobs.work_off("wipe_traces")
        return erased.rows


async def _old(days: Mapping[str, float] | None, *, is_tried_only: bool) -> "Swept":
    async with store() as engine:
        if not (days or engine.settings.retention_days):
            raise InvalidInputError("Say how old: --days 365, or set CE_RETENTION_DAYS.", field="days")
        swept = await engine.retention.sweep(days, actor_id=LOCAL.user_id, is_tried_only=is_tried_only)
        if swept.rows:
            await engine.jobs.work_off("wipe_traces")
        return swept
