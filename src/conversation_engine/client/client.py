"""The client: an address, a token, and what can be asked there."""

from importlib.metadata import version
from types import TracebackType
from typing import Self

import httpx2

from conversation_engine.client.connection import Connection, Patience, Token
from conversation_engine.client.conversations import Conversations
from conversation_engine.client.errors import BadAddressError
from conversation_engine.client.requests import Requests
from conversation_engine.client.turns import Turns


class Client:
    """A server, as one person sees it. One a process is enough: share it between the tasks of one event loop."""

    def __init__(
        self,
        url: str,
        *,
        token: Token = None,
        patience: Patience | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """`token` may be a function that fetches one: it is asked again when the old one is taken no more.

        `http` is one of your own, with proxies or certificates of yours; it stays yours to close. Raises
        BadAddressError.
        """
        if not url.startswith(("http://", "https://")):
            raise BadAddressError(url)
        self._is_ours = http is None
        self._http = http or httpx2.AsyncClient()
        self._http.base_url = httpx2.URL(url)
        self._http.headers["User-Agent"] = f"conversation-engine/{version('conversation-engine')}"
        connection = Connection(self._http, token=token, patience=patience or Patience())
        self.conversations = Conversations(connection)
        self.turns = Turns(connection)
        self.requests = Requests(connection)

    async def aclose(self) -> None:
        """Let the connections go."""
        if self._is_ours:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
