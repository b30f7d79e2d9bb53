"""How soon a person sees the first words: from Enter in the page, in a real Chromium, beside what the model took."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.processes import clean_environment
from benchmarks.product import fleet, product_environment, upstream_server
from benchmarks.table import Bar, print_table
from tests.ui.chromium import browser, visit

TURNS = 20
MODEL_MS = 500.0
"""Until the model's first word."""
CHUNK_MS = 20.0
MOST_MS = 1000.0
SHOWN = """turns => {
  const said = [...document.querySelectorAll('[class*="st-key-theirs-"] [data-testid="stChatMessageContent"]')];
  return said.length >= turns && said[turns - 1].innerText.includes("word0") && said[turns - 1].innerText;
}"""


def measure(is_tiny: bool) -> list[Bar]:
    """Print milliseconds from Enter to the first word on the page, less the model's own."""
    with _page() as page:
        times = sorted(_overhead_ms(page, turn) for turn in range(1, (1 if is_tiny else TURNS) + 1))
    median, most = times[len(times) // 2], times[-1]
    header = ["", "median ms", "longest ms"]
    rows = [["Enter to the first word on the page, less the model's own time", f"{median:.0f}", f"{most:.0f}"]]
    print_table(f"first words: one person, {len(times)} turns of one conversation", header, rows)
    return [Bar(name="first words after the model's, longest", measured=most, limit=MOST_MS, unit=" ms")]


def _overhead_ms(page: Page, turn: int) -> float:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(f"Question {turn}?")
    began = time.perf_counter()
    box.press("Enter")
    shown = str(page.wait_for_function(SHOWN, arg=turn).json_value())
    took_ms = (time.perf_counter() - began) * 1000
    own_ms = float(shown.split("own")[1].split()[0]) * 1000
    page.get_by_role("button", name="Stop").wait_for(state="hidden")
    return took_ms - own_ms


@contextlib.contextmanager
def _page() -> Iterator[Page]:
    """A new conversation of somebody who came by a link."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(upstream_server(delay_ms=CHUNK_MS, first_ms=MODEL_MS))
        server = stack.enter_context(fleet(folder, upstream_port=upstream.port, workers=1, more={}))
        environment = clean_environment(product_environment(folder, upstream_port=upstream.port))
        command = [str(Path(sys.executable).parent / "convo"), "link"]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        way = told.stdout.partition("/ui/")[2].strip()
        page = visit(stack.enter_context(browser()), f"http://127.0.0.1:{server.port}/ui/{way}")
        page.get_by_role("button", name="New conversation").click()
        yield page
