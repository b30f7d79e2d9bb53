"""How a browser comes in and goes out: a small page of ours, and a cookie that no script can read."""

import html
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from conversation_engine.entrypoints.ui.inside import Answer, post

HOME: Final = "/ui/"
COOKIE_PATH: Final = "/ui"
COOKIE_SECONDS: Final = 30 * 24 * 3600
FORM_LIMIT_BYTES: Final = 10_000
CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
USED_LINK: Final = (
    "This link has been used before, or it is too old: each one works once, and for a quarter of an hour. "
    "Ask for another one, or sign in with your name and password."
)
_PAGE: Final = Path(__file__).with_name("door.html")


class Door:
    """`/ui/enter` and `/ui/leave`. It asks the API, and keeps nothing."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but GET, HEAD and POST is not for here."""
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path.endswith("/leave"):
            return await self._leave(request)
        match request.method:
            case "POST":
                return await self._sign_in(request)
            case "GET" if "code" in request.query_params and not _is_prefetch(request):
                return await self._use_link(request)
        return _page()

    async def _use_link(self, request: Request) -> Response:
        body = {"code": request.query_params["code"][:4000], "stay": True}
        answer = await post(self._api, request.scope, "/auth/link", body)
        if answer.is_good:
            return _inside(request, answer)
        if await self._is_in(request):
            return RedirectResponse(HOME, 303)
        return _page(USED_LINK)

    async def _sign_in(self, request: Request) -> Response:
        if not is_same_site(request):
            return _page("Another page sent this form. Please fill it in here.", status=403)
        fields = parse_qs((await request.body())[:FORM_LIMIT_BYTES].decode(errors="replace"))
        login, password = (fields.get(name, [""])[0][:1000] for name in ("login", "password"))
        body = {"login": login, "password": password, "stay": True}
        answer = await post(self._api, request.scope, "/auth/token", body)
        return _inside(request, answer) if answer.is_good else _page(answer.detail, login=login, status=answer.status)

    async def _leave(self, request: Request) -> Response:
        secret = session_of(request)
        if secret is not None:
            renewed = await post(self._api, request.scope, "/auth/refresh", {"refresh_token": secret})
            if renewed.is_good:
                await post(self._api, request.scope, "/auth/logout", None, token=renewed.body["access_token"])
        response = RedirectResponse("/ui/enter", 303)
        response.delete_cookie(cookie_name(request), path=COOKIE_PATH, httponly=True, samesite="strict")
        return response

    async def _is_in(self, request: Request) -> bool:
        secret = session_of(request)
        if secret is None:
            return False
        return (await post(self._api, request.scope, "/auth/refresh", {"refresh_token": secret})).is_good


def session_of(connection: HTTPConnection) -> str | None:
    """What the browser's cookie holds: the refresh token of its sign-in."""
    return connection.cookies.get(cookie_name(connection))


def cookie_name(connection: HTTPConnection) -> str:
    """One for each port: browsers give cookies of one port to all others of the machine."""
    port = urlsplit(f"//{connection.headers.get('host', '')}").netloc.rpartition(":")[2]
    return f"convo_{port}" if port.isdecimal() else "convo"


def is_same_site(connection: HTTPConnection) -> bool:
    """Whether a page of ours sent this, as far as the browser says; programs say nothing."""
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == connection.headers.get("host")


def keep(response: Response, connection: HTTPConnection, session: str) -> None:
    """Have the browser keep a sign-in for another 30 days."""
    response.set_cookie(
        cookie_name(connection),
        session,
        max_age=COOKIE_SECONDS,
        path=COOKIE_PATH,
        secure=connection.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _inside(request: Request, answer: Answer) -> Response:
    response = RedirectResponse(HOME, 303)
    keep(response, request, answer.body["refresh_token"])
    return response


def _page(notice: str = "", *, login: str = "", status: int = 200) -> Response:
    said = f'<p class="notice" role="alert">{html.escape(notice)}</p>' if notice else ""
    page = _PAGE.read_text(encoding="utf-8").replace("{{notice}}", said).replace("{{login}}", html.escape(login))
    # Under the API's own policy, no-referrer, browsers send `Origin: null` with the form: see `is_same_site`.
    return HTMLResponse(
        page, status, headers={"content-security-policy": CONTENT_POLICY, "referrer-policy": "same-origin"}
    )


def _is_prefetch(request: Request) -> bool:
    """Whether the browser only looks ahead: that must not use up a link."""
    return "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", ""))
