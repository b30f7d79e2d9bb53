"""Why a command could not do its work."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class CannotListenError(EngineError):
    """The address is taken, not ours, or not allowed."""

    code = "cannot_listen"
    kind = Kind.UNAVAILABLE

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port}: {reason}. Stop what is using it, or choose another: "
            f"`convo serve --port {port % 65535 + 1}`.",
            host=host,
            port=port,
        )


class BadSettingsError(InvalidInputError):
    """Environment variables that cannot be understood."""

    code = "bad_settings"


class BadLifetimeError(InvalidInputError):
    """Not a length of time."""

    code = "bad_lifetime"

    def __init__(self, text: str, *, most_days: int) -> None:
        super().__init__(
            f"{text!r} is no lifetime. Write a whole number and s, m, h or d, such as 90s, 15m, 12h or 30d; "
            f"at most {most_days}d.",
            field="ttl",
        )


class BadCommandError(InvalidInputError):
    """A slash command that cannot be done as it was typed."""

    code = "bad_command"


class BadAmountError(InvalidInputError):
    """Not an amount of money."""

    code = "bad_amount"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no amount of money. Write dollars, such as 2.50.", field="dollars")


class BadProfileError(InvalidInputError):
    """A file that is no profile of a client."""

    code = "bad_profile"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"The file {place} {reason}. docs/personas.md shows one.", place=place)


class RefusedByServerError(EngineError):
    """What `convo chat --server` heard from the server; its kind and its sentence are the server's own."""

    code = "refused_by_server"
    kind = Kind.UPSTREAM

    def __init__(self, detail: str, *, kind: Kind) -> None:
        super().__init__(detail)
        self.kind = kind


class TokenRequiredError(EngineError):
    """A server was named, and no token for it."""

    code = "token_required"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__(
            "A server wants to know who you are: put a token into CE_TOKEN, or pass --token. On the server's machine "
            "`convo token` prints one."
        )
