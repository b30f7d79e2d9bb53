"""`convo share`: links to conversations, in the configured database."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.people import Principal, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conversation_engine.people.shares.types import NewShare, Share

app = typer.Typer(help="Links by which others may read a conversation without signing in.", no_args_is_help=True)
Talk = Annotated[str, typer.Argument(metavar="CONVERSATION", help="Its id.")]
Owner = Annotated[str, typer.Option("--user", help="Whose it is.")]


@app.callback()
def _share() -> None:
    """Links by which others may read a conversation without signing in."""


@app.command("link")
def link(
    conversation: Talk,
    *,
    user: Owner = "local",
    live: Annotated[bool, typer.Option("--live", help="Show what is said from now on, too.")] = False,
    days: Annotated[int, typer.Option(help="How long it leads there.")] = 7,
    without_names: Annotated[bool, typer.Option("--without-names", help="Show neither title nor name.")] = False,
) -> None:
    """Make a link and print where it leads on the server: it is told only now."""
    from conversation_engine.people.shares.types import NewShare, ShareMode

    mode = ShareMode.LIVE if live else ShareMode.SNAPSHOT
    new = NewShare(mode=mode, days=days, has_names=not without_names)
    share, secret = asyncio.run(_make(user, conversation, new))
    print(f"/shared/{secret}")
    typer.secho(f"{share.id} leads there until {share.expires_at:%Y-%m-%d %H:%M} UTC.", err=True)


@app.command("list")
def list_(conversation: Talk, *, user: Owner = "local") -> None:
    """List links that lead to a conversation now, newest first."""
    for share in asyncio.run(_list(user, conversation)):
        names = "" if share.has_names else ", without names"
        print(f"{share.id}  {share.mode}, until {share.expires_at:%Y-%m-%d %H:%M} UTC{names}")


@app.command("revoke")
def revoke(
    conversation: Talk, share: Annotated[str, typer.Argument(help="The link's id.")], *, user: Owner = "local"
) -> None:
    """Take a link back: it leads nowhere from now on."""
    asyncio.run(_revoke(user, conversation, share))
    print("It leads nowhere now.")


async def _make(user: str, conversation: str, new: "NewShare") -> "tuple[Share, str]":
    async with store() as engine:
        return await engine.shares.share(_caller(user), ConversationId(conversation), new)


async def _list(user: str, conversation: str) -> "Sequence[Share]":
    async with store() as engine:
        return await engine.shares.list_of(_caller(user), ConversationId(conversation))


async def _revoke(user: str, conversation: str, share: str) -> None:
    async with store() as engine:
        await engine.shares.revoke(_caller(user), ConversationId(conversation), share)


def _caller(user: str) -> Principal:
    return Principal(user_id=UserId(user), role=Role.STUDENT)
