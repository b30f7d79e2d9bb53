"""A request that may arrive more than once and must happen once."""

import hashlib
from dataclasses import dataclass

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind

KEY_LIMIT_CHARACTERS = 255


class IdempotencyKeyReusedError(EngineError):
    """The same idempotency key came with another request."""

    code = "idempotency_key_reused"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request. Send the same request again, or take a new key."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was said to a request over HTTP."""

    status: int
    media_type: str | None
    body: str


class AnswerPendingError(EngineError):
    """A request with this key took effect, and its answer is not there."""

    code = "idempotency_answer_pending"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being carried out, or was and could not answer. Look at what it "
            "was to change, or send it again in a while."
        )


class KeyTakenError(Exception):
    """Somebody else used the key in the same moment; no error of a service, so that no service takes it for its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A caller's key for one request, and what tells that request from others."""

    key: str
    fingerprint: str
    """SHA-256 of what was asked, in hex."""

    @staticmethod
    def of(key: str, *parts: str | bytes) -> "Once":
        """`key` (quoted, as the draft standard has it, or bare) for the request that `parts` describe.

        Raises InvalidInputError for a key that is empty, long or not visible ASCII.
        """
        bare = key.strip()
        if len(bare) >= 2 and bare[0] == bare[-1] == '"':
            bare = bare[1:-1]
        if not bare or len(bare) > KEY_LIMIT_CHARACTERS or not (bare.isascii() and bare.isprintable()):
            raise InvalidInputError(
                f"An Idempotency-Key has 1 to {KEY_LIMIT_CHARACTERS} visible ASCII characters, such as a UUID.",
                field="Idempotency-Key",
            )
        digest = hashlib.sha256()
        for part in parts:
            raw = part.encode() if isinstance(part, str) else part
            digest.update(len(raw).to_bytes(8, "big") + raw)
        return Once(key=bare, fingerprint=digest.hexdigest())
