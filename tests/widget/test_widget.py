"""The widget in a real browser: in a page of another origin that lets nothing in but it, and in a frame of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.testing import Fail, Pause, Say
from tests.serving import SharedServer, serving
from tests.ui.chromium import EXECUTABLE, OPTIONS

WAVE = "Tides: <b>two</b> & “more”\u2028🎉"
PICTURES = Path(__file__).resolve().parents[2] / "build" / "pictures"

needs_chromium = pytest.mark.skipif(EXECUTABLE is None, reason="there is no Chromium here: apt-get install chromium")


class Shop:
    """A product's own site, on another origin than the engine: a page with a policy as strict as it can be."""

    def __init__(self) -> None:
        self.origin = ""
        self.engine = ""
        self.tag = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The same page to everybody."""
        await reader.readuntil(b"\r\n\r\n")
        page = f"<!doctype html><html lang=en><title>Shop</title><h1>Boats</h1>{self.tag}".encode()
        policy = f"default-src 'none'; script-src {self.engine}; connect-src {self.engine}; frame-src {self.engine}"
        head = f"content-type: text/html; charset=utf-8\r\ncontent-security-policy: {policy}\r\n"
        writer.write(
            f"HTTP/1.1 200 OK\r\n{head}content-length: {len(page)}\r\nconnection: close\r\n\r\n".encode() + page
        )
        await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with await asyncio.start_server(shop.answer, "127.0.0.1", 0) as server:
        shop.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield shop


@pytest.fixture(scope="module")
async def engine(
    shop: Shop, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SharedServer]:
    """It lets the shop in."""
    folder = tmp_path_factory.mktemp("widget")
    async with serving(folder, sqlite_template, cors_origins=[shop.origin]) as server:
        shop.engine = server.url
        yield server


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, headless=True, args=list(OPTIONS))
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def visitor(chromium: Browser, url: str, *, scheme: str = "light") -> AsyncIterator[tuple[Page, list[str]]]:
    """Somebody at a page, and what the browser complained of there."""
    context = await chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    yield page, complaints
    await context.close()


@pytest.mark.slow
@needs_chromium
class TestInAPageOfAnotherOrigin:
    async def test_a_chat_by_keyboard_with_a_reload_in_the_middle(
        self, shop: Shop, engine: SharedServer, chromium: Browser
    ) -> None:
        token = engine.token("ada")
        shop.tag = f'<script src="{engine.url}/widget.js" data-token="{token}" data-title="Ask us" defer></script>'
        engine.forget()
        engine.model.then(Say("Half a "), Pause(1.0), Say(WAVE))
        async with visitor(chromium, shop.origin) as (page, complaints):
            log, box = page.get_by_role("log"), page.get_by_label("Write a message")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(box).to_be_focused()
            await page.keyboard.type("What are tides?")
            await page.keyboard.press("Enter")
            await expect(log).to_contain_text("Half a")
            await expect(log).to_have_attribute("aria-busy", "true")
            await expect(page.get_by_role("status")).to_have_text("Answering …")

            await page.reload()
            await page.get_by_role("button", name="Open chat: Ask us").press("Enter")
            await expect(log.locator(".message").last).to_have_text(f"Answer: Half a {WAVE}")
            await expect(log).not_to_have_attribute("aria-busy", "true")
            assert await log.locator(".message .words").all_inner_texts() == ["What are tides?", f"Half a {WAVE}"]
            assert len(engine.model.requests) == 1

            engine.model.then(Say("A long one"), Pause(60))
            await box.fill("Go on")
            await box.press("Enter")
            await expect(log).to_contain_text("A long one")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.get_by_role("status")).to_have_text("Stopped.")
            assert engine.model.closed == 1

            engine.model.then(Fail(OverloadedError()))
            await box.fill("Fail")
            await box.press("Enter")
            await expect(page.get_by_role("alert")).to_have_text(OverloadedError.sentence)
            await self.look(page)
            await box.press("Escape")
            await expect(page.get_by_role("button", name="Open chat: Ask us")).to_be_focused()
            assert [one for one in complaints if "404" not in one] == []  # that nothing was said yet is a 404

    async def look(self, page: Page) -> None:
        """Keep pictures, light and dark, and see that words can be read in both."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=PICTURES / "widget-light.png")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 390, "height": 700})
        await page.screenshot(path=PICTURES / "widget-dark.png")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    async def test_a_connection_that_breaks_is_made_again(
        self, shop: Shop, engine: SharedServer, chromium: Browser
    ) -> None:
        shop.tag = f'<script src="{engine.url}/widget.js" data-token="{engine.token("bo")}" defer></script>'
        engine.forget()
        async with visitor(chromium, shop.origin) as (page, _):
            await page.get_by_role("button", name="Open chat").click()
            cuts = iter([True, True, False])
            await page.route("**/api/chat", lambda route: route.abort() if next(cuts) else route.continue_())
            await page.get_by_label("Write a message").fill("Hello")
            await page.get_by_role("button", name="Send").click()
            await expect(page.get_by_role("log").locator(".message.assistant")).to_have_text("Answer: Hello")
        assert len(engine.model.requests) == 1

    async def test_who_is_not_signed_in_is_told_so(self, shop: Shop, engine: SharedServer, chromium: Browser) -> None:
        shop.tag = f'<script src="{engine.url}/widget.js" defer></script>'
        async with visitor(chromium, shop.origin) as (page, _):
            await page.get_by_role("button", name="Open chat").click()
            await expect(page.get_by_role("alert")).to_contain_text("does not know who you are")


@pytest.mark.slow
@needs_chromium
class TestInAFrame:
    async def test_the_shop_may_frame_it_and_the_token_does_not_stay_in_the_address(
        self, shop: Shop, engine: SharedServer, chromium: Browser
    ) -> None:
        engine.forget()
        shop.tag = f'<iframe title="Chat" src="{engine.url}/widget#token={engine.token("cleo")}&chat=framed"></iframe>'
        async with visitor(chromium, shop.origin) as (page, complaints):
            frame = page.frame_locator("iframe")
            await frame.get_by_label("Write a message").fill("Hello")
            await frame.get_by_role("button", name="Send").click()
            await expect(frame.get_by_role("log").locator(".message.assistant")).to_have_text("Answer: Hello")
            assert [one.url for one in page.frames if "/widget" in one.url] == [f"{engine.url}/widget"]
            assert [one for one in complaints if "404" not in one] == []


class TestWhoMayEmbedIt:
    async def test_the_shop_and_nobody_else(self, shop: Shop, engine: SharedServer) -> None:
        async with httpx2.AsyncClient(base_url=engine.url, trust_env=False) as browser:
            page, script = await browser.get("/widget"), await browser.get("/widget.js")
            policy = page.headers["content-security-policy"]
            assert policy.endswith(f"frame-ancestors 'self' {shop.origin}")
            assert "unsafe" not in policy
            assert script.headers["cross-origin-resource-policy"] == "cross-origin"
            assert script.headers["content-type"].startswith("text/javascript")
            for file in (page, script):
                assert file.headers["x-content-type-options"] == "nosniff"
                again = await browser.get(file.url.path, headers={"If-None-Match": file.headers["etag"]})
                assert (again.status_code, again.content) == (304, b"")
            asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            for origin, is_let_in in ((shop.origin, True), ("http://evil.example", False)):
                answer = await browser.options("/api/chat", headers={"Origin": origin, **asking})
                assert ("access-control-allow-origin" in answer.headers) is is_let_in
