"""Calls over HTTP: signed, sent again where that cannot do anything twice, and refused in our words."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx2
import pydantic_core
from pydantic import TypeAdapter

from conversation_engine.client.errors import (
    ApiError,
    BrokenAnswerError,
    ClientError,
    UnreachableError,
    refusal_of,
)

T = TypeVar("T")
Token = str | Callable[[], Awaitable[str]] | None
"""A token, or where to get one: asked at the first call, and again when the server takes the last one no more."""

_AT_THE_MOMENT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_ON_THE_WAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""What proxies say of a server that is not there."""
_BEING_DONE: Final = "idempotency_answer_pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait and how often to try. What is sent again carries the same key, so nothing is done twice."""

    tries: int = 6
    """Of a call; of a stream: in a row without a sign of life."""
    first_pause_seconds: float = 0.25
    """About so long before the second try, and twice as long before each further one."""
    longest_pause_seconds: float = 30.0
    """A server that asks for a longer one is not waited for."""
    connect_seconds: float = 5.0
    answer_seconds: float = 30.0
    silence_seconds: float = 45.0
    """How long a stream may say nothing; the server's heartbeat comes every 15 s."""


File = tuple[str, tuple[str, bytes, str]]
"""A field's name, and a file's name, bytes and media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    """What is `None` is not asked for."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    """The body, where it is no JSON."""
    files: Sequence[File] = ()
    """Sent as a form does, with `body` as its fields."""
    answer_seconds: float | None = None
    """How long to wait for the answer; `None`: as for all."""
    is_repeatable: bool = True
    """Whether it may be sent again: what changes something says under which key."""


def changing(method: str, path: str, body: Any = None, *, key: str | None) -> Call:
    """A call that changes something: with `key`, or one made for it."""
    return Call(method=method, path=path, body=body, headers={"Idempotency-Key": key or str(uuid4())})


class Connection:
    """The server as one person sees it. May be shared by the tasks of one event loop."""

    def __init__(self, http: httpx2.AsyncClient, *, token: Token, patience: Patience) -> None:
        """`http` has the server's address as its `base_url`; who made it closes it."""
        self._http = http
        self._token = token
        self._given = token if isinstance(token, str) else None
        self._patience = patience

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._http.base_url)

    async def answer(self, call: Call, kind: TypeAdapter[T]) -> T:
        """What the server answers, as a value. Raises ClientError."""
        return self.read(await self.done(call), kind)

    def read(self, body: bytes, kind: TypeAdapter[T]) -> T:
        """An answer's body as a value. Raises BrokenAnswerError."""
        try:
            return kind.validate_json(body)
        except ValueError as error:
            raise BrokenAnswerError(HTTPStatus.OK) from error

    async def done(self, call: Call) -> bytes:
        """The same as it came."""
        failures = 0
        silence_seconds = call.answer_seconds or self._patience.answer_seconds
        while True:
            try:
                async with self.opened(call, silence_seconds=silence_seconds) as response:
                    return await response.aread()
            except ClientError as error:
                if not call.is_repeatable:
                    raise
                failures += 1
                await self.pause_after(error, failures=failures)

    @asynccontextmanager
    async def opened(
        self, call: Call, *, silence_seconds: float | None = None
    ) -> AsyncGenerator[httpx2.Response, None]:
        """An answer that has begun, to be read. Asked once. Raises ClientError, also where reading it breaks."""
        silence_seconds = silence_seconds or self._patience.silence_seconds
        try:
            response = await self._accepted(call, silence_seconds)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx2.RequestError as error:
            raise UnreachableError(self.url) from error

    async def pause_after(self, error: ClientError, *, failures: int) -> None:
        """Wait before the next try; raises `error` where another try would change nothing, or enough were made."""
        seconds = self._pause_seconds(error, failures)
        if seconds is None or failures >= self._patience.tries:
            raise error
        await asyncio.sleep(seconds)

    def _pause_seconds(self, error: ClientError, failures: int) -> float | None:
        usual = self._patience.first_pause_seconds * 2.0 ** (failures - 1) * random.uniform(0.5, 1.5)  # noqa: S311
        longest = self._patience.longest_pause_seconds
        match error:
            case UnreachableError():
                return min(usual, longest)
            case BrokenAnswerError(status=status) if status in _ON_THE_WAY:
                return min(usual, longest)
            case ApiError(code=code) if code == _BEING_DONE:
                return min(usual, longest)
            case ApiError(status=status, facts={"retry_after": int() | float() as asked}) if status in _AT_THE_MOMENT:
                return max(usual, asked) if asked <= longest else None
            case ApiError(status=status) if status in _AT_THE_MOMENT:
                return min(usual, longest)
        return None

    async def _accepted(self, call: Call, silence_seconds: float) -> httpx2.Response:
        response = await self._sent(call, silence_seconds)
        if response.status_code == HTTPStatus.UNAUTHORIZED and callable(self._token):
            await response.aclose()
            self._given = None
            response = await self._sent(call, silence_seconds)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            try:
                raise refusal_of(_json(await response.aread()), status=response.status_code)
            finally:
                await response.aclose()
        return response

    async def _sent(self, call: Call, silence_seconds: float) -> httpx2.Response:
        if self._given is None and callable(self._token):
            self._given = await self._token()
        signature = {} if self._given is None else {"Authorization": f"Bearer {self._given}"}
        request = self._http.build_request(
            call.method,
            call.path,
            json=None if call.files else call.body,
            data=call.body if call.files else None,
            files=list(call.files) or None,
            content=call.content,
            params={name: value for name, value in call.query.items() if value is not None},
            headers={**call.headers, **signature},
            timeout=httpx2.Timeout(
                self._patience.answer_seconds, connect=self._patience.connect_seconds, read=silence_seconds
            ),
        )
        return await self._http.send(request, stream=True)


def _json(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body)
    except ValueError:
        return None
