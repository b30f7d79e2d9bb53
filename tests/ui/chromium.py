"""A browser as people have one, and what it is asked again and again."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

EXECUTABLE: Final = shutil.which("chromium")
OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = (1280, 860)
PHONE: Final = (390, 844)
PATIENCE_MS: Final = 40_000


@contextmanager
def browser() -> Iterator[Browser]:
    """With a fresh profile; each of its contexts is somebody else's browser."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=EXECUTABLE, headless=True, args=list(OPTIONS))
        yield chromium
        chromium.close()


def visit(chromium: Browser, url: str) -> Page:
    """Somebody who has never been here opens a page."""
    context = chromium.new_context(viewport=_size(DESKTOP))
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(url)
    return page


def look(page: Page, folder: Path, name: str) -> None:
    """Keep pictures of a page: desktop and phone, light and dark; and see that a phone shows it without scrolling
    sideways.
    """
    for size, scheme, suffix in ((DESKTOP, "light", "desktop"), (PHONE, "dark", "phone")):
        page.set_viewport_size(_size(size))
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.wait_for_timeout(150)  # Streamlit lays out anew
        page.screenshot(path=folder / f"{name}-{suffix}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
    page.set_viewport_size(_size(DESKTOP))
    page.emulate_media(color_scheme="light")


def _size(pixels: tuple[int, int]) -> ViewportSize:
    return {"width": pixels[0], "height": pixels[1]}
