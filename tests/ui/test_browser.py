"""The web page in a real browser, with the real small model: one story, in the order in which it happens."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.cli.scenes import CONVO
from tests.ui.chromium import EXECUTABLE, PATIENCE_MS, browser, look, visit

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(EXECUTABLE is None, reason="there is no Chromium here: apt-get install chromium"),
]

STORY = "Tell me a very long story about a boat and its captain, with many chapters."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of the server, and of its operator's terminal."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("CE_")}
    return {**outside, "CE_DATA_DIR": str(tmp_path_factory.mktemp("data")), "CE_EMBEDDING_MODEL": "none"}


@pytest.fixture(scope="module")
def entrance(environment: dict[str, str]) -> Iterator[str]:
    """The one-time link that `convo serve` prints."""
    with subprocess.Popen(
        [CONVO, "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        link = None
        while link is None:
            line = server.stderr.readline()
            assert line, "no link was printed"
            link = re.search(r"http://\S+/ui/enter\?code=\S+", line)
        yield link[0]
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=30)
        assert server.returncode == 0
        assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def pictures() -> Path:
    """Where they are kept: build/pictures, outside of version control."""
    folder = Path(__file__).resolve().parents[2] / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def page(chromium: Browser, entrance: str) -> Page:
    """Signed in by the link."""
    page = visit(chromium, entrance)
    expect(page.get_by_text("Who would you like to talk with?")).to_be_visible()
    return page


def connections_of(page: Page) -> list[WebSocketRoute]:
    """Those that it makes from now on, the newest last; what closes one is a lost connection."""
    made: list[WebSocketRoute] = []

    def pass_through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        made.append(route)

    page.route_web_socket("**/_stcore/stream", pass_through)
    return made


def say(page: Page, text: str) -> None:
    """Type it and press Enter."""
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")


def replies(page: Page) -> list[str]:
    """What the other one said, as far as it is shown."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('[class*="st-key-theirs-"] [data-testid="stChatMessageContent"]')]
        .map(each => each.innerText.replace(/[\\n ]*▍/, ''))"""
    )
    return found


FOCUSED = """() => {
  const at = document.activeElement;
  const name = at.ariaLabel || at.placeholder || at.innerText || "";
  return name.length < 80 ? name : "";
}"""
SHOWS_FOCUS = """async () => {
  const at = document.activeElement;
  const around = [at];
  while (around.length < 6 && around.at(-1).parentElement) around.push(around.at(-1).parentElement);
  const look = () => JSON.stringify(around.map(each => {
    const style = getComputedStyle(each);
    return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor];
  }));
  const settled = () => new Promise(done => setTimeout(done, 300));
  await settled();
  const focused = look();
  at.blur();
  await settled();
  const differs = focused !== look();
  at.focus();
  return differs;
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus, and see that one can see it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if name in page.evaluate(FOCUSED):
            assert page.evaluate(SHOWS_FOCUS), f"nothing shows that {name} has the focus"
            return
    raise AssertionError(f"Tab never came to {name}")


def wait_for_words(page: Page, least: int) -> str:
    """The newest reply as soon as it has that many characters."""
    page.wait_for_function(
        """least => [...document.querySelectorAll('[class*="st-key-theirs-"] [data-testid="stChatMessageContent"]')]
        .some(each => each.innerText.length > least)""",
        arg=least,
    )
    return replies(page)[-1]


def test_the_link_works_once_and_then_says_so_kindly(
    page: Page, chromium: Browser, entrance: str, pictures: Path
) -> None:
    assert "code" not in page.url
    expect(page.get_by_text("Just talk")).to_be_visible()
    look(page, pictures, "first-run")
    late = visit(chromium, entrance)
    expect(late.get_by_role("alert")).to_contain_text("has been used before")
    look(late, pictures, "door")
    late.context.close()


def test_a_client_is_made_tried_judged_and_read_about(page: Page, pictures: Path) -> None:
    page.get_by_role("button", name="New client").click()
    page.get_by_label("Name", exact=True).fill("Maria Keller")
    page.get_by_label("What they say first").fill("Good morning. I do not have much time.")
    page.get_by_label("Why they are here").fill("Her doctor sent her.")
    page.get_by_text("Which model plays them").click()
    page.get_by_label("Longest reply, in tokens").fill("40")
    page.get_by_label("Name", exact=True).click()
    expect(page.get_by_text("Name: “Maria Keller”")).to_be_visible()
    look(page, pictures, "client")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_text("Good morning. I do not have much time.")).to_be_visible()
    say(page, "How are you today?")
    expect(page.get_by_role("button", name="Another reply")).to_be_visible()
    look(page, pictures, "session")
    page.get_by_role("button", name="End session").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("This session has ended")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_label("What helped?").fill("Taking time.")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_text("Thank you.").first).to_be_visible()
    look(page, pictures, "ended")
    page.get_by_role("link", name="Feedback").click()
    expect(page.get_by_text("Taking time.")).to_be_visible()
    look(page, pictures, "feedback")
    page.get_by_role("button", name="Read the conversation").click()
    expect(page.get_by_text("How are you today?").first).to_be_visible()  # the page before may still be fading
    expect(page.get_by_text("tokens").first).to_be_visible()
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Page to read (HTML)").click()
    file = waiting.value.path().read_text()
    assert "How are you today?" in file
    assert "<article" in file
    page.keyboard.press("Escape")
    look(page, pictures, "transcript")


def test_a_document_is_uploaded_and_read(page: Page, pictures: Path) -> None:
    page.get_by_role("link", name="Documents").click()
    remark = "more than other requests may send, little to read " * 22_000
    text = f"<p>The key of the cellar hangs behind the clock.</p><!-- {remark} -->".encode()
    assert len(text) > 1_048_576
    files = page.get_by_test_id("stFileUploaderDropzoneInput")
    files.set_input_files([{"name": "cellar.html", "mimeType": "text/html", "buffer": text}])
    expect(page.get_by_role("button", name="Remove cellar.html")).to_be_visible()
    page.get_by_role("button", name="Add to your documents").click()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    look(page, pictures, "documents")


def test_an_admin_sees_what_goes_on_and_what_it_cost(page: Page, pictures: Path) -> None:
    for name, title, word in (
        ("overview", "Overview", "Speed in the last 24 hours"),
        ("spending", "Spending", "By person"),
        ("statistics", "Statistics", "Messages"),
        ("failures", "Errors", "No model call has failed."),
        ("users", "People", "There are no accounts yet."),
    ):
        page.goto(re.sub(r"/ui/.*", f"/ui/{name}", page.url))
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        expect(page.get_by_text(word).first).to_be_visible()
        look(page, pictures, name)
    page.get_by_role("link", name="Navigate to home page").or_(page.get_by_test_id("stLogoLink")).first.click()
    expect(page.get_by_text("Just talk")).to_be_visible()


def test_a_reply_survives_a_reload_a_second_tab_and_a_lost_connection_and_stops(page: Page, pictures: Path) -> None:
    page.get_by_role("button", name="New conversation").click()
    say(page, STORY)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    before = wait_for_words(page, 20)
    page.reload()
    after = wait_for_words(page, len(before))
    assert after.startswith(before[:20])
    other = page.context.new_page()
    connections = connections_of(other)
    other.goto(page.url)
    assert wait_for_words(other, 20).startswith(before[:20])
    so_far = replies(other)[-1]
    connections[0].close()
    for _ in range(200):
        other.wait_for_timeout(50)
        if len(connections) > 1:
            break
    assert wait_for_words(other, len(so_far)).startswith(before[:20])
    assert len(connections) == 2
    other.get_by_role("button", name="Stop").click()
    expect(other.get_by_text("You stopped this reply.")).to_be_visible()
    expect(page.get_by_text("You stopped this reply.")).to_be_visible()
    assert replies(page) == replies(other)
    other.close()
    look(page, pictures, "stopped")


def test_keys_alone_are_enough_to_sign_in_talk_and_stop(
    page: Page, chromium: Browser, environment: dict[str, str]
) -> None:
    made = subprocess.run(
        [CONVO, "user", "add", "kim", "--password"], env=environment, input="a long secret\n", text=True
    )
    assert made.returncode == 0
    kims = visit(chromium, re.sub(r"/ui/.*", "/ui/", page.url))
    kims.keyboard.type("kim")
    kims.keyboard.press("Tab")
    kims.keyboard.type("a long secret")
    tab_to(kims, "Sign in")
    kims.keyboard.press("Enter")
    expect(kims.get_by_role("button", name="New conversation")).to_be_visible()
    tab_to(kims, "History")
    tab_to(kims, "New conversation")
    kims.keyboard.press("Enter")
    expect(kims.get_by_text("Nothing is said yet.")).to_be_visible()
    tab_to(kims, "Say something to")
    kims.keyboard.type(STORY)
    kims.keyboard.press("Enter")
    wait_for_words(kims, 5)
    tab_to(kims, "Stop")
    kims.keyboard.press("Enter")
    expect(kims.get_by_text("You stopped this reply.")).to_be_visible()
    kims.context.close()
