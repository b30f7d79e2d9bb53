"""`convo token`: a bearer token for this machine's server."""

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.errors import BadLifetimeError
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

MOST_DAYS: Final = 3650
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LIFETIME: Final = re.compile(r"([0-9]{1,9})([smhd])")


def token(
    user: Annotated[str, typer.Option(help="Whose token: the owner of what is made with it.")] = "local",
    role: Annotated[Role, typer.Option(help="What this person may do beyond their own things.")] = Role.ADMIN,
    ttl: Annotated[str, typer.Option(help="How long it is valid: 90s, 15m, 12h, 30d.")] = "30d",
) -> None:
    """Print a bearer token, and nothing else: TOKEN=$(convo token)."""
    lifetime = parse_lifetime(ttl)
    from conversation_engine.engine.wiring import make_tokens
    from conversation_engine.kernel.clock import SystemClock
    from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS
    from conversation_engine.kernel.text import checked_text

    user_id = UserId(checked_text(user, name="user", limit_characters=USER_ID_LIMIT_CHARACTERS))
    tokens = make_tokens(load_settings(), SystemClock())
    print(tokens.issue(Principal(user_id=user_id, role=role), lifetime=lifetime))


def parse_lifetime(text: str) -> timedelta:
    """The time that `90s`, `15m`, `12h` or `30d` stands for. Raises BadLifetimeError."""
    match = _LIFETIME.fullmatch(text.strip().lower())
    lifetime = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < lifetime <= timedelta(days=MOST_DAYS):
        raise BadLifetimeError(text, most_days=MOST_DAYS)
    return lifetime
