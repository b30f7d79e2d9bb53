"""`/widget.js` and `/widget`: two files, and who may embed them."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPT: Final = Path(__file__).with_name("widget.js")
PAGE: Final = Path(__file__).with_name("widget.html")
CACHE: Final = "public, max-age=300"
"""Then it is asked whether it is still the same: an update of the server reaches pages in five minutes."""


def routes(origins: Sequence[str]) -> list[Route]:
    """The routes; pages of `origins` may frame the page. No file holds a secret: tokens come from who embeds it."""
    ancestors = " ".join(["'self'", *origins])
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {ancestors}"
    )
    return [
        _file("/widget.js", SCRIPT, "text/javascript", {"cross-origin-resource-policy": "cross-origin"}),
        _file("/widget", PAGE, "text/html", {"content-security-policy": policy, "referrer-policy": "no-referrer"}),
    ]


def _file(path: str, file: Path, media_type: str, headers: dict[str, str]) -> Route:
    async def send(request: Request) -> Response:
        body = _body(file)
        tag = f'"{sha256(body).hexdigest()[:32]}"'
        common = {**headers, "etag": tag, "cache-control": CACHE, "x-content-type-options": "nosniff"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=common)
        return Response(body, media_type=media_type, headers=common)

    return Route(path, send)


@cache
def _body(file: Path) -> bytes:
    return file.read_bytes()
