"""Why somebody is not let in."""

from conversation_engine.kernel.errors import EngineError, Kind


class NotAuthenticatedError(EngineError):
    """No bearer token came with the request."""

    code = "not_authenticated"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Send a token: `Authorization: Bearer …`. `convo token` prints one.")


class InvalidTokenError(EngineError):
    """The token is malformed, unsigned, or not for us."""

    code = "invalid_token"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That token is not valid here. `convo token` prints one that is.")


class ExpiredTokenError(EngineError):
    """The token was valid once."""

    code = "expired_token"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That token has expired. Get a new one: `convo token` prints one.")


class WeakSecretError(EngineError):
    """The signing key can be guessed."""

    code = "weak_secret"
    kind = Kind.INVALID

    def __init__(self, least_bytes: int) -> None:
        super().__init__(
            f"CE_SECRET is too short: use at least {least_bytes} random bytes, such as `openssl rand -hex 32`."
        )


class SecretRequiredError(EngineError):
    """A server that others can reach must not run on a secret made up for one laptop."""

    code = "secret_required"
    kind = Kind.INVALID

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Refusing to listen on {host} without a secret: others could reach this server. "
            "Set CE_SECRET to at least 32 random bytes, such as the output of `openssl rand -hex 32`."
        )
