"""Which clients work unmodified, at what, and the test that shows it: the source of docs/reference/clients.md."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FEATURES: Final = {
    "answer": "a reply, whole",
    "stream": "a reply as it is said",
    "resume": "a stream gone on with after a break",
    "memory": "a conversation that remembers",
    "stop": "a reply stopped",
    "once": "the same request twice is done once",
    "tools": "function tools",
    "media": "images and files",
    "refusal": "refusals as the client's own errors",
    "local": "the real small model behind it, not a double",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOfOurs:
    """A client, where its version is pinned, and the tests that show what it can do."""

    name: str
    package: str
    pinned_in: str
    shown_by: Mapping[str, str]

    def version(self) -> str:
        """The one that the tests run with."""
        text = (ROOT / self.pinned_in).read_text(encoding="utf-8")
        if self.pinned_in == "pyproject.toml":
            return re.findall(r'^version = "(.*)"$', text, re.MULTILINE)[0]
        if self.pinned_in.endswith(".json"):
            return str(json.loads(text)["dependencies"][self.package])
        return re.findall(rf"^{re.escape(self.package)}==(\S+)", text, re.MULTILINE)[0]


_CHAT: Final = "tests/openai/test_chat.py"
_RESPONSES: Final = "tests/openai/test_responses.py"
_NODE: Final = "tests/openai/test_node.py::test_it_does_everything_once"
_LOCAL: Final = "tests/openai/test_local_model.py"
_BOTH: Final = "tests/openai/test_clients.py::test_both_with_the_real_small_model"
_UI: Final = "tests/ai_sdk/test_node.py::test_use_chat_does_everything_once_with_a_reload_in_the_middle"
_TURNS: Final = "tests/client/test_turns.py"
_BROKEN: Final = f"{_TURNS}::TestBrokenConnections"
_WIDGET: Final = "tests/widget/test_widget.py::TestInAPageOfAnotherOrigin"

CLIENTS: Final = (
    ClientOfOurs(
        name="our Python client",
        package="conversation_engine.client",
        pinned_in="pyproject.toml",
        shown_by={
            "answer": f"{_TURNS}::TestStream::test_what_the_model_did_wrong_is_told_at_the_end",
            "stream": f"{_TURNS}::TestStream::test_a_turn_is_started_said_and_ended",
            "resume": f"{_BROKEN}::test_wherever_it_breaks_the_text_is_the_same_and_the_model_is_asked_once",
            "memory": f"{_TURNS}::TestStream::test_things_are_said_otherwise_and_answered_again",
            "stop": f"{_TURNS}::TestStream::test_a_reply_can_be_stopped",
            "once": f"{_BROKEN}::test_a_post_whose_answer_is_lost_is_not_done_twice",
            "refusal": f"{_TURNS}::TestStream::test_what_cannot_begin_is_raised",
        },
    ),
    ClientOfOurs(
        name="OpenAI for Python",
        package="openai",
        pinned_in="lock.txt",
        shown_by={
            "answer": f"{_RESPONSES}::TestCreate::test_it_answers",
            "stream": f"{_RESPONSES}::TestStream::test_it_tells_everything_in_order",
            "resume": f"{_RESPONSES}::TestStream::test_it_is_the_same_on_every_replay_and_goes_on_after_any_number",
            "memory": f"{_RESPONSES}::TestMemory::test_a_response_follows_another",
            "stop": f"{_RESPONSES}::TestBackground::test_it_is_cancelled",
            "once": f"{_RESPONSES}::TestCreate::test_the_same_key_is_the_same_response",
            "tools": "tests/openai/test_tools.py::TestResponses::test_calls_are_items_across_responses",
            "media": "tests/openai/test_media.py::TestPassedOn::test_in_a_response_and_again_in_the_next",
            "refusal": f"{_CHAT}::TestRefusals::test_what_is_not_supported_is_named",
            "local": f"{_LOCAL}::test_it_talks_in_both_ways",
        },
    ),
    ClientOfOurs(
        name="OpenAI for Node",
        package="openai",
        pinned_in="tests/openai/node/package.json",
        shown_by={
            **dict.fromkeys(("answer", "stream", "resume", "memory", "refusal"), _NODE),
            "tools": "tests/openai/test_node.py::test_it_calls_tools",
            "local": f"{_LOCAL}::test_it_talks_to_node",
        },
    ),
    ClientOfOurs(
        name="AI SDK (`DefaultChatTransport`)",
        package="ai",
        pinned_in="tests/ai_sdk/node/package.json",
        shown_by=dict.fromkeys(("answer", "stream", "resume", "memory", "stop", "tools", "media", "refusal"), _UI),
    ),
    ClientOfOurs(
        name="AI SDK for React (`useChat`)",
        package="@ai-sdk/react",
        pinned_in="tests/ai_sdk/node/package.json",
        shown_by=dict.fromkeys(("answer", "stream", "resume", "memory", "stop", "tools", "media", "refusal"), _UI),
    ),
    ClientOfOurs(
        name="LangChain's `ChatOpenAI` (`make clients`)",
        package="langchain-openai",
        pinned_in="tests/openai/clients/requirements.txt",
        shown_by={
            **dict.fromkeys(("answer", "stream"), "tests/openai/test_clients.py::test_langchain"),
            "tools": "tests/openai/test_clients.py::test_langchain_with_tools",
            "local": _BOTH,
        },
    ),
    ClientOfOurs(
        name="OpenAI Agents SDK (`make clients`)",
        package="openai-agents",
        pinned_in="tests/openai/clients/requirements.txt",
        shown_by={
            **dict.fromkeys(("answer", "stream", "memory"), "tests/openai/test_clients.py::test_the_agents_sdk"),
            "tools": "tests/openai/test_clients.py::test_the_agents_sdk_with_a_tool",
            "local": _BOTH,
        },
    ),
    ClientOfOurs(
        name="our widget, in Chromium",
        package="widget.js",
        pinned_in="pyproject.toml",
        shown_by={
            **dict.fromkeys(
                ("answer", "stream", "resume", "stop", "refusal"),
                f"{_WIDGET}::test_a_chat_by_keyboard_with_a_reload_in_the_middle",
            ),
            "once": f"{_WIDGET}::test_a_connection_that_breaks_is_made_again",
        },
    ),
)


def page() -> str:
    """The table, without its head."""
    lines = [f"| client | version | {' | '.join(FEATURES)} |", f"|---|---|{'---|' * len(FEATURES)}"]
    tests = list(dict.fromkeys(test for client in CLIENTS for test in client.shown_by.values()))
    for client in CLIENTS:
        marks = [_mark(client.shown_by.get(feature), tests) for feature in FEATURES]
        lines.append(f"| {client.name} | `{client.package}` {client.version()} | {' | '.join(marks)} |")
    meanings = [f"- **{name}**: {meaning}" for name, meaning in FEATURES.items()]
    shown = [f"{number}. `{test}`" for number, test in enumerate(tests, start=1)]
    return "\n".join([*lines, "", *meanings, "", "The numbers are tests:", "", *shown, ""])


def _mark(test: str | None, tests: list[str]) -> str:
    return "" if test is None else f"{tests.index(test) + 1}"
