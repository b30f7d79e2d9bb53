"""The door to the web page: links, passwords, the cookie, and what nobody can pretend."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.types import NewUser
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.ui.mount import API_HEADER, SESSION_HEADER, WebPages
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.users.scenes import PASSWORD, ROOT

PAGE = {"accept": "text/html,*/*"}


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One kind is enough: the door has no statement of its own."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Keeps cookies, follows nothing by itself."""
    transport = httpx2.ASGITransport(app=app, client=("10.1.2.3", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://engine.test:8000", headers=PAGE) as client:
        yield client


@pytest.fixture
def code(settings: Settings) -> str:
    """Of a link for Ada, who has no account."""
    return a_code(settings)


def a_code(settings: Settings, minutes: float = 1) -> str:
    principal = Principal(user_id=UserId("ada"), role=Role.TEACHER)
    return make_tokens(settings, SystemClock()).issue_link(principal, lifetime=timedelta(minutes=minutes))


async def with_password(app: FastAPI) -> None:
    accounts: AccountService = app.state.services[AccountService]
    await accounts.create(ROOT, NewUser(login="tess", role=Role.TEACHER, password=PASSWORD))


class TestComingIn:
    async def test_who_is_not_signed_in_is_shown_the_door(self, browser: httpx2.AsyncClient) -> None:
        for path in ("/ui/", "/ui/history", "/ui/talk?id=1"):
            sent = await browser.get(path)
            assert (sent.status_code, sent.headers["location"]) == (303, "/ui/enter")
        door = await browser.get("/ui/enter")
        assert door.status_code == 200
        assert "<form" in door.text
        assert "script" not in door.headers["content-security-policy"]

    async def test_a_link_signs_in_and_leaves_no_secret_in_the_address(
        self, browser: httpx2.AsyncClient, code: str
    ) -> None:
        come = await browser.get("/ui/enter", params={"code": code})
        assert (come.status_code, come.headers["location"]) == (303, "/ui/")
        cookie = come.headers["set-cookie"].lower()
        for word in ("httponly", "samesite=strict", "path=/ui", "convo_8000="):
            assert word in cookie

    async def test_over_https_the_cookie_stays_there(self, app: FastAPI, code: str) -> None:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://engine.test") as client:
            come = await client.get("/ui/enter", params={"code": code})
        assert "secure" in come.headers["set-cookie"].lower()

    async def test_a_link_used_twice_or_too_old_is_told_kindly(
        self, browser: httpx2.AsyncClient, settings: Settings, code: str
    ) -> None:
        await browser.get("/ui/enter", params={"code": code})
        browser.cookies.clear()
        for bad in (code, a_code(settings, minutes=-1), "x"):
            told = await browser.get("/ui/enter", params={"code": bad})
            assert told.status_code == 200
            assert "used before, or it is too old" in told.text
            assert bad not in told.text or bad == "x"
            assert "set-cookie" not in told.headers

    async def test_who_is_in_already_just_goes_on(self, browser: httpx2.AsyncClient, code: str) -> None:
        await browser.get("/ui/enter", params={"code": code})
        again = await browser.get("/ui/enter", params={"code": code})
        assert (again.status_code, again.headers["location"]) == (303, "/ui/")

    async def test_a_look_ahead_does_not_use_up_a_link(self, browser: httpx2.AsyncClient, code: str) -> None:
        for ahead in ({"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}):
            assert "set-cookie" not in (await browser.get("/ui/enter", params={"code": code}, headers=ahead)).headers
        await browser.head("/ui/enter", params={"code": code})
        assert (await browser.get("/ui/enter", params={"code": code})).status_code == 303

    async def test_a_name_and_a_password_do_too(self, app: FastAPI, browser: httpx2.AsyncClient) -> None:
        await with_password(app)
        wrong = await browser.post("/ui/enter", data={"login": 'te"ss', "password": "wrong"})
        assert wrong.status_code == 401
        assert "te&quot;ss" in wrong.text
        right = await browser.post("/ui/enter", data={"login": "tess", "password": PASSWORD})
        assert (right.status_code, right.headers["location"]) == (303, "/ui/")

    async def test_failures_are_counted_for_the_browser_and_not_for_us(
        self, app: FastAPI, browser: httpx2.AsyncClient
    ) -> None:
        await browser.post("/ui/enter", data={"login": "nobody", "password": "wrong"})
        audit: AuditLog = app.state.services[AuditLog]
        [failed] = (await audit.list_of(ROOT, AuditFilter(action="user.sign_in_failed"))).items
        assert failed.deed.address == "10.1.2.3"

    async def test_a_form_of_another_site_is_refused(self, app: FastAPI, browser: httpx2.AsyncClient) -> None:
        await with_password(app)
        form = {"login": "tess", "password": PASSWORD}
        sent = await browser.post("/ui/enter", data=form, headers={"origin": "https://evil.example"})
        assert sent.status_code == 403
        assert "set-cookie" not in sent.headers

    async def test_browsers_may_say_that_the_form_is_ours(self, browser: httpx2.AsyncClient) -> None:
        page = await browser.get("/ui/enter")
        assert page.headers["referrer-policy"] == "same-origin"  # with `no-referrer` they send `Origin: null`


class TestGoingOut:
    async def test_it_ends_the_sign_in_and_takes_the_cookie(self, browser: httpx2.AsyncClient, code: str) -> None:
        await browser.get("/ui/enter", params={"code": code})
        kept = browser.cookies["convo_8000"]
        out = await browser.get("/ui/leave")
        assert (out.status_code, out.headers["location"]) == (303, "/ui/enter")
        assert "convo_8000" not in browser.cookies
        assert (await browser.post("/auth/refresh", json={"refresh_token": kept})).status_code == 401


class TestBehindTheDoor:
    async def test_pages_are_told_who_is_there_by_us_alone(self, app: FastAPI) -> None:
        seen: list[dict[str, Any]] = []

        async def pages(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append({name.decode(): value.decode() for name, value in scope["headers"]})

        front = WebPages(app, api_url=None)
        front._pages = pages
        forged = {API_HEADER: "http://evil.example", SESSION_HEADER: "forged", "cookie": "convo=mine"}
        await front(socket_scope({"host": "engine.test", "origin": "http://engine.test", **forged}), _never, _sent([]))
        assert (seen[0][API_HEADER], seen[0][SESSION_HEADER]) == ("http://127.0.0.1:8123", "mine")

    async def test_a_look_at_a_page_keeps_the_cookie_for_another_month(self, app: FastAPI) -> None:
        front = WebPages(app, api_url=None)
        front._pages = PlainTextResponse("a page")
        transport = httpx2.ASGITransport(app=front)
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine.test:8000", headers=PAGE) as client:
            client.cookies.set("convo_8000", "mine", domain="engine.test", path="/ui")
            page = await client.get("/ui/history")
        [cookie] = page.headers.get_list("set-cookie")
        assert cookie.startswith("convo_8000=mine; HttpOnly; Max-Age=2592000; Path=/ui; SameSite=strict")

    async def test_a_page_of_another_site_opens_no_socket(self, app: FastAPI) -> None:
        messages: list[Any] = []
        front = WebPages(app, api_url=None)
        await front(socket_scope({"host": "engine.test", "origin": "https://evil.example"}), _never, _sent(messages))
        assert [message["type"] for message in messages] == ["websocket.close"]

    async def test_without_the_slash_it_is_sent_to_the_page(self, browser: httpx2.AsyncClient) -> None:
        assert (await browser.get("/ui")).headers["location"] == "/ui/"

    def test_streamlit_is_loaded_for_nobody_who_does_not_ask_for_it(self) -> None:
        program = (
            "import sys, conversation_engine, conversation_engine.entrypoints.http.app as app; app.create_app();"
            "print([name for name in ('streamlit', 'pandas', 'httpx2') if name in sys.modules])"
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == "[]"

    async def test_without_the_extra_it_says_so_and_the_api_works(
        self, browser: httpx2.AsyncClient, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "streamlit", None)
        await browser.get("/ui/enter", params={"code": code})
        page = await browser.get("/ui/")
        assert page.status_code == 501
        assert "conversation-engine[ui]" in page.text
        assert (await browser.get("/readyz")).status_code == 200


def socket_scope(headers: dict[str, str]) -> Scope:
    return {
        "type": "websocket",
        "path": "/ui/_stcore/stream",
        "root_path": "/ui",
        "query_string": b"",
        "scheme": "ws",
        "server": ("127.0.0.1", 8123),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def _never() -> Any:
    raise AssertionError("nothing is read")


def _sent(messages: list[Any]) -> Any:
    async def send(message: Any) -> None:
        messages.append(message)

    return send
