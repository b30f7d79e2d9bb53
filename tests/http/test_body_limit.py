"""Bodies over the limit, on a real socket: whether or not they say how long they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx2
import pytest
from uvicorn.config import HTTPProtocolType

from conversation_engine.engine.settings import Settings
from tests.http.scenes import Serve, ServedApp, conversation_of, new_conversation, problem_in

MEGABYTES = b'{"content": "' + b"a" * 10_000_000 + b'"}'


@pytest.fixture
async def served(serve: Serve, settings: Settings) -> ServedApp:
    return await serve(settings)


async def raw_request(served: ServedApp, path: str, headers: str, body: bytes) -> tuple[bytes, bytes]:
    """Status line and body of the answer to a request written by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
    writer.write(f"{start}Content-Type: application/json\r\n{headers}\r\n\r\n".encode() + body)
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while piece := await reader.read(65_536):
                answer += piece
    writer.close()
    status_line, _, rest = answer.partition(b"\r\n")
    return status_line, rest.partition(b"\r\n\r\n")[2]


class TestOverTheLimit:
    async def test_ten_megabytes_are_refused_and_nothing_is_written(self, served: ServedApp) -> None:
        conversation_id = (await new_conversation(served.client))["id"]
        path = f"/conversations/{conversation_id}/turns"

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(MEGABYTES), 65_536):
                yield MEGABYTES[start : start + 65_536]

        for body in (MEGABYTES, pieces()):
            response = await served.client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert response.status_code == 413
            assert problem_in(response)["code"] == "body_too_large"
            assert response.json()["limit_bytes"] == 1_048_576
        assert (await conversation_of(served.client, conversation_id))["message_count"] == 0

    @pytest.mark.parametrize("protocol", ["httptools", "h11"])
    async def test_a_length_that_lies_does_not_get_past(
        self, serve: Serve, settings: Settings, protocol: HTTPProtocolType
    ) -> None:
        """Beside chunks a length does not count (RFC 9112, section 6.3): h11 reads on, httptools refuses it."""
        served = await serve(settings, http=protocol)
        conversation_id = (await new_conversation(served.client))["id"]
        chunk = b"%x\r\n%s\r\n" % (len(MEGABYTES), MEGABYTES)
        headers = "Content-Length: 5\r\nTransfer-Encoding: chunked"
        status_line, _ = await raw_request(
            served, f"/conversations/{conversation_id}/turns", headers, chunk + b"0\r\n\r\n"
        )
        assert status_line in {b"HTTP/1.1 413 Request Entity Too Large", b"HTTP/1.1 413 Content Too Large"} or (
            protocol == "httptools" and status_line in {b"HTTP/1.1 400 Bad Request", b""}
        )
        assert (await conversation_of(served.client, conversation_id))["message_count"] == 0

    async def test_a_length_that_is_no_number_is_refused(self, served: ServedApp) -> None:
        for length in ("-1", "1e3", "9" * 400, "\u00b2", "0x10"):
            status_line, _ = await raw_request(served, "/conversations", f"Content-Length: {length}", b"{}")
            assert status_line.split()[1] in {b"400", b"413"}, length

    async def test_a_body_at_the_limit_is_read(self, serve: Serve, settings: Settings) -> None:
        served = await serve(settings.model_copy(update={"body_limit_bytes": 2048}))
        for size, status in ((2048, 201), (2049, 413)):
            body = b'{"title": "t"}'.ljust(size)
            headers = {"Content-Type": "application/json"}
            assert (await served.client.post("/conversations", content=body, headers=headers)).status_code == status


class TestInProcess:
    """Servers whose protocol needs neither a length nor chunks (HTTP/2) look like this to an application."""

    async def test_a_body_without_any_header_is_counted(self, ada: httpx2.AsyncClient, served: ServedApp) -> None:
        sent: list[MutableMapping[str, Any]] = []
        piece: dict[str, Any] = {"type": "http.request", "body": b"a" * 600_000, "more_body": True}
        waiting = iter([piece, piece, piece, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            return next(waiting)

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        headers = [(b"authorization", ada.headers["authorization"].encode())]
        scope = {"type": "http", "method": "POST", "path": "/conversations", "headers": headers, "query_string": b""}
        await served.app(scope, receive, send)
        assert sent[0]["status"] == 413
