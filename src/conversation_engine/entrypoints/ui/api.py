"""The API for pages, which wait: `conversation_engine.client`, as one person sees it in one tab.

What comes back is shown as it came, so it stays JSON here: the pages are the edge.
"""

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2

from conversation_engine.client import Blocking, Client, InvalidRequestError, Patience, TurnEvent, UnauthenticatedError
from conversation_engine.client import ClientError as ApiError

__all__ = ["Api", "ApiError", "Json", "Line", "SignedOutError"]

T = TypeVar("T")
Json = dict[str, Any]
PATIENCE: Final = Patience(first_pause_seconds=0.1, longest_pause_seconds=2.0)
"""Somebody looks at the page meanwhile: three seconds in all."""


class SignedOutError(ApiError):
    """The browser's sign-in is over."""

    def __init__(self) -> None:
        super().__init__("Your sign-in has ended. Sign in again to go on.", code="signed_out")


class Line:
    """Connections that all pages of a process share; never through a proxy, as it is the same machine."""

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=4)
        self.http = httpx2.AsyncClient(limits=limits, trust_env=False)
        self.blocking = Blocking()

    def __enter__(self) -> Self:
        self.blocking.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.blocking.wait(self.http.aclose())
        self.blocking.__exit__(kind, error, traceback)


class Api:
    """The API as one person sees it: it keeps their access token, and gets the next when that one is old."""

    def __init__(self, line: Line, *, base_url: str, session: str, patience: Patience = PATIENCE) -> None:
        self._blocking = line.blocking
        self._session = session
        self._open = Client(base_url, http=line.http, patience=replace(patience, tries=1))  # who asks it tries again
        self._client = Client(base_url, http=line.http, patience=patience, token=self._access_token)

    def get(self, path: str, **query: Any) -> Any:
        """Read something; a value of `None` is not asked for."""
        return self._wait(self._client.requests.get(path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        """Do something."""
        return self._wait(self._client.requests.post(path, body))

    def put(self, path: str, body: Any) -> Any:
        """Set something."""
        return self._wait(self._client.requests.put(path, body))

    def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return self._wait(self._client.requests.patch(path, body))

    def delete(self, path: str) -> None:
        """Remove something."""
        self._wait(self._client.requests.delete(path))

    def upload(self, path: str, files: Sequence[tuple[str, bytes, str]], fields: Mapping[str, str]) -> Any:
        """Send files as a form does."""
        return self._wait(self._client.requests.upload(path, files, fields))

    def download(self, path: str, **query: Any) -> bytes:
        """A file, whole."""
        return self._wait(self._client.requests.download(path, **query))

    def send(self, path: str, file: bytes) -> Any:
        """A file as the body; the answer comes when all of it was worked through."""
        return self._wait(self._client.requests.send(path, file))

    def begin(self, path: str, body: Json, *, key: str | None = None) -> str:
        """Have something answered: the turn's id, as soon as what was said is stored. It goes on, whoever looks."""
        return self._wait(self._client.turns.begin_at(path, body, key=key)).id

    def looks(self, conversation_id: str, turn_id: str, *, seconds: float) -> Iterator[list[TurnEvent]]:
        """What is told of a turn from its first word on, look by look, until it has ended."""
        try:
            yield from self._blocking.looks(self._client.turns.follow(conversation_id, turn_id), seconds=seconds)
        except UnauthenticatedError as error:
            raise SignedOutError from error

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            return self._blocking.wait(call)
        except UnauthenticatedError as error:
            raise SignedOutError from error

    async def _access_token(self) -> str:
        try:
            answer = await self._open.requests.post("/auth/refresh", {"refresh_token": self._session})
        except (InvalidRequestError, UnauthenticatedError) as error:
            raise SignedOutError from error
        return str(answer["access_token"])
