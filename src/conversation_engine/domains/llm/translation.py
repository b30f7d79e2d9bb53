"""From what a model service, or the way to it, says went wrong, to our words. Pure: tests walk it class by class."""

import base64
import html
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp
import pydantic_core
from aiohttp import http_exceptions

from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    MalformedStreamError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
)

CAUSE_LIMIT: Final = 2000
"""Code points kept of what a service said of a failure."""
SECRET_LEAST_CHARACTERS: Final = 4
"""What is shorter is no secret, and blotting it out would make every cause unreadable."""
HIDDEN: Final = "[key]"

ErrorWords = Mapping[str, type[ModelError]]
"""A vendor's own names for what went wrong (`type` and `code` of its error documents), and ours."""

_CONTEXT_WORDS: Final = (
    "context_length_exceeded",
    "exceed_context_size",
    "prompt is too long",
    "maximum context length",
    "context window",
)
_FILTER_WORDS: Final = ("content_filter", "content_policy_violation", "content filtering policy")
_PAYMENT_WORDS: Final = ("insufficient_quota", "credit balance is too low", "billing_hard_limit_reached")

BY_STATUS: Final[Mapping[int, type[ModelError]]] = {
    401: AuthenticationError,
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    409: OverloadedError,
    413: ContextTooLongError,
    425: OverloadedError,
    429: ModelRateLimitedError,
    501: BadModelRequestError,
}
_TIMEOUT_STATUSES: Final = (408, 504)

BY_EXCEPTION: Final[Mapping[type[BaseException], type[ModelError]]] = {
    aiohttp.ServerTimeoutError: ModelTimeoutError,
    aiohttp.ClientConnectorError: ModelUnreachableError,
    aiohttp.ServerFingerprintMismatch: ModelUnreachableError,
    aiohttp.ClientHttpProxyError: ModelUnreachableError,
    aiohttp.InvalidURL: ModelUnreachableError,
    aiohttp.NonHttpUrlClientError: ModelUnreachableError,
    aiohttp.ClientResponseError: MalformedStreamError,
    aiohttp.ClientConnectionError: StreamCutError,
    aiohttp.ClientError: StreamCutError,
    http_exceptions.HttpProcessingError: MalformedStreamError,
    OSError: ModelUnreachableError,
}
"""The nearest class on an exception's line of descent decides."""
TRANSPORT_ERRORS: Final = (aiohttp.ClientError, http_exceptions.HttpProcessingError, OSError)


class Redaction:
    """Blots secrets out of what others say of us: services, proxies and libraries quote keys back."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= SECRET_LEAST_CHARACTERS for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """`text` without any secret, plain or as JSON, URLs, HTML and Python write it."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text


def secrets_in(url: str) -> Iterable[str]:
    """What an address may hold that is nobody's business: its password and the values of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    return [*([parts.password] if parts.password else []), *(value for _, value in parse_qsl(parts.query))]


def refusal(status: int, text: str, *, words: ErrorWords, retry_after_seconds: float | None = None) -> ModelError:
    """The error that an HTTP status and its body stand for."""
    cause = f"HTTP {status}: {text}"
    if status in _TIMEOUT_STATUSES:
        return ModelTimeoutError("upstream", cause)
    code, kind = _names(_document(text))
    by_status = BY_STATUS.get(status) or (OverloadedError if status >= 500 else None)
    error = _told(text) or words.get(code) or by_status or words.get(kind) or BadModelRequestError
    return _made(error, cause, retry_after_seconds)


def reported(error: Any, *, words: ErrorWords, otherwise: type[ModelError]) -> ModelError:
    """The error that an error document inside a stream stands for; `otherwise` where it says nothing we know."""
    text = str(error)
    code, kind = _names(error)
    by_status = BY_STATUS.get(int(code)) if code.isdecimal() and len(code) == 3 else None
    return _made(_told(text) or words.get(code) or words.get(kind) or by_status or otherwise, text, None)


def translate(error: Exception) -> ModelError:
    """The error of ours that one of `TRANSPORT_ERRORS` stands for."""
    cause = f"{type(error).__name__}: {error}"
    ours = next(BY_EXCEPTION[kind] for kind in type(error).__mro__ if kind in BY_EXCEPTION)
    if ours is ModelTimeoutError:
        is_connect = isinstance(error, aiohttp.ConnectionTimeoutError)
        return ModelTimeoutError("connect" if is_connect else "between_tokens", cause)
    return ours(cause)


def _made(error: type[ModelError], cause: str, retry_after_seconds: float | None) -> ModelError:
    if issubclass(error, ModelTimeoutError):
        return error("upstream", cause)
    return error(cause, retry_after_seconds=retry_after_seconds)


def _told(text: str) -> type[ModelError] | None:
    """What only the sentence tells: vendors use one status and one type for all of these."""
    lowered = text.lower()
    if any(word in lowered for word in _CONTEXT_WORDS):
        return ContextTooLongError
    if any(word in lowered for word in _FILTER_WORDS):
        return ContentFilteredError
    if any(word in lowered for word in _PAYMENT_WORDS):
        return PermissionDeniedError
    return None


def _document(text: str) -> Any:
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        return None


def _names(document: Any) -> tuple[str, str]:
    """`code` and `type` of an error document, whichever way it is wrapped; empty where there are none."""
    inner = document.get("error", document) if isinstance(document, dict) else None
    if not isinstance(inner, dict):
        return "", ""
    return str(inner.get("code") or ""), str(inner.get("type") or "")


def _forms(secret: str) -> Iterable[str]:
    as_json = json.dumps(secret)[1:-1]
    yield from (secret, as_json, as_json.replace("/", "\\/"), quote(secret), quote(secret, safe=""))
    yield from (html.escape(secret), repr(secret)[1:-1], base64.b64encode(secret.encode()).decode())
