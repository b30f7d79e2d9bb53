"""`convo user` and `convo link`: accounts, from the operator's own terminal."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

if TYPE_CHECKING:
    from conversation_engine.domains.users.service import AccountService
    from conversation_engine.engine.settings import Settings

T = TypeVar("T")

app = typer.Typer(help="Accounts.", no_args_is_help=True)
LOCAL: Final = Principal(user_id=UserId("local"), role=Role.ADMIN)
"""Whoever has this machine's terminal."""


@app.callback()
def _users() -> None:
    """Accounts."""


@app.command("add")
def add(
    login: Annotated[str, typer.Argument(help="What they type to sign in.")],
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.STUDENT,
    name: Annotated[str, typer.Option(help="What others see; the login if empty.")] = "",
    with_password: Annotated[
        bool, typer.Option("--password", help="Read a password from standard input; else a one-time link is printed.")
    ] = False,
) -> None:
    """Make an account, and print the one-time link that its owner comes in by."""
    from conversation_engine.domains.users.types import NewUser

    password = sys.stdin.readline().rstrip("\n") if with_password else None
    new = NewUser(login=login, name=name, role=role, password=password)
    user = _run(lambda accounts: accounts.create(LOCAL, new))
    print(user.id if with_password else _link(Principal(user_id=user.id, role=role)))


@app.command("list")
def list_users() -> None:
    """Print every account: id, login, role, and whether it is closed."""
    from conversation_engine.domains.users.types import User, UserFilter

    async def every(accounts: "AccountService") -> list[User]:
        found: list[User] = []
        cursor = None
        while True:
            page = await accounts.list_of(LOCAL, UserFilter(), cursor=cursor, limit=200)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

    for user in _run(every):
        closed = "" if user.is_active else "closed"
        print("\t".join([user.id, user.login or f"({user.issuer})", user.role.value, closed]).rstrip())


def link(
    user: Annotated[str, typer.Option(help="Whom it signs in: an account's id, or any name.")] = "local",
    role: Annotated[Role, typer.Option(help="Their role, unless there is an account.")] = Role.ADMIN,
) -> None:
    """Print a one-time sign-in link that is valid for CE_LINK_MINUTES (15): `POST /auth/link` takes its code."""
    from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS
    from conversation_engine.kernel.text import checked_text

    user_id = UserId(checked_text(user, name="user", limit_characters=USER_ID_LIMIT_CHARACTERS))
    print(_link(Principal(user_id=user_id, role=role)))


def link_for(settings: "Settings", principal: Principal, *, url: str) -> str:
    """A one-time link to `url`, valid for CE_LINK_MINUTES."""
    from datetime import timedelta

    from conversation_engine.domains.users.sign_in.service import link_to
    from conversation_engine.engine.wiring import make_tokens
    from conversation_engine.kernel.clock import SystemClock

    lifetime = timedelta(minutes=settings.link_minutes)
    return link_to(url, make_tokens(settings, SystemClock()).issue_link(principal, lifetime=lifetime))


def _link(principal: Principal) -> str:
    settings = load_settings()
    return link_for(settings, principal, url=settings.link_url)


def _run(work: "Callable[[AccountService], Awaitable[T]]") -> T:
    import asyncio

    return asyncio.run(_with_accounts(work))


async def _with_accounts(work: "Callable[[AccountService], Awaitable[T]]") -> T:
    """Over the database alone: no turn is run or recovered for this."""
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.engine.wiring import make_accounts
    from conversation_engine.infra.audit.service import AuditLog
    from conversation_engine.infra.db.opening import backend_of, open_database
    from conversation_engine.kernel.clock import SystemClock

    settings, clock = load_settings(), SystemClock()
    database = open_database(settings.resolved_database_url, settings)
    try:
        await prepare(database, is_embedded=backend_of(settings.resolved_database_url) == "sqlite")
        return await work(make_accounts(database, AuditLog(database, clock=clock), settings=settings, clock=clock))
    finally:
        await database.aclose()
