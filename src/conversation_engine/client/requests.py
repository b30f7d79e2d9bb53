"""`client.requests`: what has no method of its own yet."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from conversation_engine.client.connection import Call, Connection, changing

_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(Any)
FILE_SECONDS: Final = 900.0
"""How long a file may be worked through: 200 MB take a minute or two."""


class Requests:
    """The API as it stands in its reference: JSON in, JSON out, signed, tried again and refused like everything here.

    What changes something carries a key, so that it is never done twice. All raise ClientError.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, path: str, **query: Any) -> Any:
        """Read something; what is `None` is not asked for."""
        return await self._answer(Call(method="GET", path=path, query=query))

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Do something."""
        return await self._answer(changing("POST", path, body, key=key))

    async def put(self, path: str, body: Any, *, key: str | None = None) -> Any:
        """Set something."""
        return await self._answer(changing("PUT", path, body, key=key))

    async def patch(self, path: str, body: Any, *, key: str | None = None) -> Any:
        """Change something."""
        return await self._answer(changing("PATCH", path, body, key=key))

    async def delete(self, path: str, *, key: str | None = None) -> None:
        """Remove something."""
        await self._answer(changing("DELETE", path, key=key))

    async def download(self, path: str, **query: Any) -> bytes:
        """A file, whole."""
        return await self._connection.done(Call(method="GET", path=path, query=query))

    async def upload(self, path: str, files: Sequence[tuple[str, bytes, str]], fields: Mapping[str, str]) -> Any:
        """Send files as a form does: names, bytes and media types. Sent once."""
        parts = [("files", file) for file in files]
        return await self._answer(
            Call(
                method="POST",
                path=path,
                body=dict(fields),
                files=parts,
                answer_seconds=FILE_SECONDS,
                is_repeatable=False,
            )
        )

    async def send(self, path: str, file: bytes) -> Any:
        """Send a file as the body; the answer comes when all of it was worked through. Sent once."""
        return await self._answer(
            Call(method="POST", path=path, content=file, answer_seconds=FILE_SECONDS, is_repeatable=False)
        )

    async def _answer(self, call: Call) -> Any:
        body = await self._connection.done(call)
        return self._connection.read(body, _ANYTHING) if body else None
