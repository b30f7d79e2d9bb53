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


class BadCredentialsError(EngineError):
    """The name or the password is wrong; which of them is not told."""

    code = "bad_credentials"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That name and password do not belong together. Try again, or ask an admin for a link.")


class TooManySignInsError(EngineError):
    """Somebody tries passwords."""

    code = "too_many_sign_ins"
    kind = Kind.RATE_LIMITED

    def __init__(self, *, retry_after_seconds: float) -> None:
        super().__init__("Too many sign-ins were tried. Wait a while, then try again.", retry_after=retry_after_seconds)


class InvalidRefreshTokenError(EngineError):
    """The refresh token is unknown, used up, expired or revoked."""

    code = "invalid_refresh_token"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That sign-in is over. Sign in again.")


class InvalidLinkError(EngineError):
    """The one-time link was used, has expired or is not one of ours."""

    code = "invalid_link"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That sign-in link was used or has expired. Ask for a new one: `convo link` prints one.")


class RevokedTokenError(EngineError):
    """The token was valid until somebody signed out, or the account was closed."""

    code = "revoked_token"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("That sign-in is over. Sign in again.")


class NotASignInError(EngineError):
    """The caller's token was not given by a sign-in, so there is nothing to sign out of."""

    code = "not_a_sign_in"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("That token was not given by a sign-in. It is valid until it expires.")


class UserNotFoundError(EngineError):
    """No account has this id."""

    code = "user_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, user_id: str) -> None:
        super().__init__("There is no such user. List them to see who is there.", user_id=user_id)


class UserExistsError(EngineError):
    """The sign-in name is taken."""

    code = "user_exists"
    kind = Kind.CONFLICT

    def __init__(self, login: str) -> None:
        super().__init__("That sign-in name is taken. Choose another.", login=login)


class LastAdminError(EngineError):
    """Nobody would be left who can manage accounts."""

    code = "last_admin"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("That is the last admin. Make somebody else one first.")


class WeakPasswordError(EngineError):
    """The password can be guessed."""

    code = "weak_password"
    kind = Kind.INVALID

    def __init__(self, least_characters: int) -> None:
        super().__init__(
            f"That password can be guessed. Use at least {least_characters} characters that are not the name.",
            field="password",
        )


class IdentityConflictError(EngineError):
    """Another issuer's id is already the id of somebody here."""

    code = "identity_conflict"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Somebody else has that id here. Ask an admin: CE_EXTERNAL_ID_CLAIM may name a better one.")


class IdentityUnavailableError(EngineError):
    """The other issuer's keys cannot be fetched."""

    code = "identity_unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("Your sign-in cannot be checked at the moment. Please try again.", retry_after=5)


class BadIdentityError(EngineError):
    """The settings about another issuer make no sense: for the operator, at start."""

    code = "bad_identity"
    kind = Kind.INVALID
