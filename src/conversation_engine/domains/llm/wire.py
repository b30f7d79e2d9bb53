"""Server-sent events from a model service over aiohttp, and what can go wrong underneath.

Why no vendor's SDK, and why aiohttp: docs/decisions/0003.
"""

import asyncio
import email.utils
import math
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import pydantic_core

from conversation_engine.domains.llm.errors import AuthenticationError, MalformedStreamError, ModelError
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.translation import (
    TRANSPORT_ERRORS,
    ErrorWords,
    Redaction,
    refusal,
    secrets_in,
    translate,
)

ERROR_BODY_LIMIT_BYTES = 65_536
DRAIN_SECONDS = 0.1
"""How long the end of a body may lag behind the end of the reply; a new TLS connection costs more."""
LINE_LIMIT_BYTES = 4 * 1024 * 1024


class ServiceClient:
    """Connections to one model service. May be made before an event loop runs; `aclose` after use."""

    def __init__(self, settings: LlmSettings, *, keeps_connections: bool = True) -> None:
        """`keeps_connections` off for a service that closes idle ones without a word, as llama.cpp does."""
        self._connect_seconds = settings.connect_timeout_seconds
        self._keeps_connections = keeps_connections
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def event_stream(
        self, endpoint: "Endpoint", body: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """POST `body` and yield the `data:` payloads of the answer, as many at a time as have arrived.

        Raises a ModelError for every fault of the transport and every status but 200. Leaving before the end closes
        the connection.
        """
        url = endpoint.url
        _check_headers(endpoint.headers)
        headers = {"content-type": "application/json", "accept-encoding": "identity", **endpoint.headers}
        with _Translated():
            async with self._open().post(
                url, data=pydantic_core.to_json(body), headers=headers, allow_redirects=False, proxy=_proxy_for(url)
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise await _refusal(response, endpoint.words)
                yield _payloads(response.content.iter_any())

    async def answer(self, endpoint: "Endpoint", body: Mapping[str, Any]) -> bytes:
        """POST `body` and read the whole answer. Raises a ModelError as `event_stream` does."""
        _check_headers(endpoint.headers)
        headers = {"content-type": "application/json", **endpoint.headers}
        proxy = _proxy_for(endpoint.url)
        with _Translated():
            async with self._open().post(
                endpoint.url, data=pydantic_core.to_json(body), headers=headers, allow_redirects=False, proxy=proxy
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise await _refusal(response, endpoint.words)
                answer: bytes = await response.read()
                return answer

    async def aclose(self) -> None:
        """Let go of every connection. Idempotent."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=not self._keeps_connections)
            # How long a reply may take to begin and to go on is watched by our caller.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """How a service wants to be spoken to where it differs from its protocol."""

    key_header: str | None = None
    """Carries the bare key; `None`: as the protocol has it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent every time; secret."""
    query: Mapping[str, str] = field(default_factory=dict)

    def address(self, base_url: str, path: str) -> str:
        """Where `path` is, whether or not the base has a query of its own."""
        base, mark, rest = base_url.partition("?")
        query = "&".join(part for part in (rest if mark else "", urlencode(self.query)) if part)
        return base.rstrip("/") + path + (f"?{query}" if query else "")

    def headers_with(self, api_key: str | None, *, header: str, prefix: str = "") -> Mapping[str, str]:
        """The headers that say who we are; without a key only what else is to be sent."""
        if not api_key:
            return dict(self.headers)
        key = {self.key_header: api_key} if self.key_header else {header: prefix + api_key}
        return {**key, **self.headers}

    def secrets_with(self, api_key: str | None) -> Sequence[str]:
        """What must never be quoted of a call."""
        return [*([api_key] if api_key else []), *self.headers.values()]


PLAIN: Final = EndpointOptions()


class Endpoint:
    """One address of a model service, what is sent to it every time, and how it words its failures."""

    __slots__ = ("client", "headers", "redact", "url", "words")

    def __init__(
        self, client: ServiceClient, url: str, *, headers: Mapping[str, str], secrets: Iterable[str], words: ErrorWords
    ) -> None:
        """`secrets` are what must never be quoted of a call to it; passwords in `url` are kept back too.

        A user and password in `url` are for services without a key: the transport refuses to send both.
        """
        self.client = client
        self.url = _without_user(url) if "authorization" in headers else url
        self.headers = headers
        self.words = words
        self.redact = Redaction([*secrets, *secrets_in(url)])


def _without_user(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return url


@lru_cache(maxsize=64)
def _proxy_for(url: str) -> str | None:
    """What HTTPS_PROXY, NO_PROXY and the like say of it: asked once, not at every call as `trust_env` would."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all: the transport will say so
        return None
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _check_headers(headers: Mapping[str, str]) -> None:
    """A key that no header can carry is refused here: the transport's own complaint would quote it."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise AuthenticationError(f"the header {name} holds characters that no header can carry")


async def drain(batches: AsyncIterator[list[bytes]]) -> None:
    """Read a finished answer to the end of its body, so that its connection serves the next call too.

    Never raises for what the service does now: the reply is whole. A service that does not end the body soon has its
    connection closed.
    """
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in batches:
                pass


def parse(payload: bytes) -> dict[str, Any]:
    """A payload's JSON object. Raises MalformedStreamError."""
    try:
        value = pydantic_core.from_json(payload)
    except ValueError as error:
        raise MalformedStreamError(f"not JSON: {payload!r}") from error
    if not isinstance(value, dict):
        raise MalformedStreamError(f"not a JSON object: {payload!r}")
    return value


async def _payloads(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk if rest else chunk).split(b"\n")
        if len(rest) > LINE_LIMIT_BYTES:
            raise MalformedStreamError(f"a line of more than {LINE_LIMIT_BYTES} bytes")
        payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        if payloads:
            yield payloads
    if rest.startswith(b"data:"):
        yield [rest[5:].strip()]


async def _refusal(response: aiohttp.ClientResponse, words: ErrorWords) -> ModelError:
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ERROR_BODY_LIMIT_BYTES:
            break
    retry_after = _retry_after_seconds(response.headers.get("retry-after"))
    return refusal(response.status, body.decode("utf-8", "replace"), words=words, retry_after_seconds=retry_after)


def _retry_after_seconds(value: str | None) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(value: str) -> float | None:
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


class _Translated:
    """Turns aiohttp's exceptions into ours. A class, not a generator: it is on the path of every chunk."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, TRANSPORT_ERRORS):
            raise translate(error) from error
