import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.cli.chat_commands import ChatCommands, Outcome, account_of
from conversation_engine.entrypoints.cli.chat_embedded import EmbeddedHouse
from conversation_engine.entrypoints.cli.chat_house import ChatHouse
from conversation_engine.entrypoints.cli.chat_remote import RemoteHouse
from conversation_engine.entrypoints.cli.chat_session import ChatSession
from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.conftest import until
from tests.serving import SharedServer


@dataclass(slots=True)
class WrittenScreen:
    """Writes down what it is given."""

    shown: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)
    recalled: list[tuple[str, str]] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    def show(self, text: str) -> None:
        self.shown.append(text)

    def note(self, text: str) -> None:
        self.noted.append(text)

    def fail(self, text: str) -> None:
        self.failed.append(text)

    def greet(self, text: str) -> None:
        self.greeted.append(text)

    def recall(self, speaker: str, text: str) -> None:
        self.recalled.append((speaker, text))

    @contextlib.contextmanager
    def reply(self, waiting: str) -> Iterator["WrittenScreen"]:
        self.replies.append("")
        yield self

    def add(self, text: str) -> None:
        self.replies[-1] += text


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Somebody's chat, and what they see of it."""

    house: ChatHouse
    session: ChatSession
    commands: ChatCommands
    screen: WrittenScreen

    async def type(self, *lines: str) -> Outcome:
        """What came of the last of these lines."""
        outcome = Outcome()
        for line in lines:
            outcome = await self.commands.handle(line)
        return outcome


OpenChat = Callable[..., Awaitable[Chat]]
OpenHouse = Callable[[str, str | None], Awaitable[ChatHouse]]


@pytest.fixture(params=["embedded", "remote"])
def house_kind(request: pytest.FixtureRequest) -> str:
    """Where the conversations live: everything here holds for both."""
    return str(request.param)


@pytest.fixture
def model(house_kind: str, request: pytest.FixtureRequest) -> ScriptedModel:
    """Echoes, unless told otherwise."""
    if house_kind == "embedded":
        return ScriptedModel()
    server: SharedServer = request.getfixturevalue("chat_server")
    server.forget()
    return server.model


@pytest.fixture
async def houses(
    house_kind: str, request: pytest.FixtureRequest, tmp_path: Path, model: ScriptedModel
) -> AsyncIterator[OpenHouse]:
    """Opens houses of people of this test."""
    if house_kind == "remote":
        server: SharedServer = request.getfixturevalue("chat_server")
        async with AsyncExitStack() as stack:

            async def on_server(user: str, model: str | None) -> ChatHouse:
                client = await stack.enter_async_context(server.client(f"{user} of {tmp_path.name}"))
                return RemoteHouse(client, name=server.url, model=model)

            yield on_server
        return
    settings = Settings(data_dir=tmp_path, model="scripted/test", grace_seconds=0)
    async with ConversationEngine(settings, providers={"scripted": model}) as engine:

        async def embedded(user: str, model: str | None) -> ChatHouse:
            return EmbeddedHouse(engine, user=UserId(user), model=model)

        yield embedded


@pytest.fixture
def open_chat(houses: OpenHouse) -> OpenChat:
    """Opens chats, as new runs of `convo chat` would."""

    async def open_one(*, user: str = "ada", model: str | None = None, is_new: bool = False) -> Chat:
        screen = WrittenScreen()
        house = await houses(user, model)
        session = ChatSession(house, screen)
        await session.start(is_new=is_new)
        return Chat(house=house, session=session, commands=ChatCommands(session, screen), screen=screen)

    return open_one


@pytest.fixture
async def chat(open_chat: OpenChat) -> Chat:
    """Ada's first."""
    return await open_chat()


class TestStart:
    async def test_a_first_chat_is_a_new_conversation_that_leaves_no_trace_until_something_is_said(
        self, chat: Chat, open_chat: OpenChat
    ) -> None:
        assert "a new conversation" in chat.screen.greeted[0]
        await chat.type("/list")
        assert chat.screen.shown == []

    async def test_it_goes_on_in_the_conversation_that_was_used_last(self, chat: Chat, open_chat: OpenChat) -> None:
        await chat.type("tides", "/new Cats", "meow", "/open 2", "ebb")
        again = await open_chat()
        assert again.session.conversation_id == chat.session.conversation_id
        assert [text for _, text in again.screen.recalled] == ["tides", "tides", "ebb", "ebb"]

    async def test_it_starts_over_when_asked(self, chat: Chat, open_chat: OpenChat) -> None:
        await chat.type("tides")
        again = await open_chat(is_new=True)
        await again.type("cats", "/cost")
        assert again.screen.shown[0].endswith("in 2 messages")

    async def test_everybody_has_their_own(self, chat: Chat, open_chat: OpenChat) -> None:
        await chat.type("tides")
        bob = await open_chat(user="bob")
        await bob.type("/list", f"/open {chat.session.conversation_id}")
        assert bob.screen.shown == []
        assert bob.screen.failed == ["That conversation belongs to somebody else."]


class TestSay:
    async def test_a_line_is_answered(self, chat: Chat) -> None:
        assert await chat.type("hi") == Outcome()
        assert chat.screen.replies == ["hi"]

    async def test_blank_lines_say_nothing(self, chat: Chat) -> None:
        await chat.type("", "  \t")
        assert chat.screen.replies == []

    async def test_two_slashes_say_something_that_begins_with_one(self, chat: Chat) -> None:
        await chat.type("//etc")
        assert chat.screen.replies == ["/etc"]

    async def test_a_failed_turn_keeps_what_was_said_and_says_why(self, chat: Chat, model: ScriptedModel) -> None:
        model.then(Say("half a "), Fail(OverloadedError()))
        outcome = await chat.type("hi")
        assert chat.screen.replies == ["half a "]
        assert chat.screen.failed == [OverloadedError.sentence]
        assert outcome == Outcome(exit_code=EXIT_CODES[Kind.UPSTREAM])
        assert await chat.type("again") == Outcome()

    async def test_an_unknown_model_is_refused_and_the_chat_goes_on(self, open_chat: OpenChat) -> None:
        chat = await open_chat(model="nobody/knows")
        assert (await chat.type("hi")).exit_code == EXIT_CODES[Kind.INVALID]
        assert "There is no model 'nobody/knows'" in chat.screen.failed[0]
        assert await chat.type("/help") == Outcome()

    async def test_a_conversation_that_still_answers_somewhere_else_says_so(
        self, chat: Chat, open_chat: OpenChat, model: ScriptedModel
    ) -> None:
        await chat.type("hi")
        model.then(Say("long"), Pause(60))
        speaking = asyncio.create_task(chat.type("go on"))
        await until(lambda: chat.screen.replies[-1] == "long")
        other = await open_chat()
        assert (await other.type("me too")).exit_code == EXIT_CODES[Kind.CONFLICT]
        chat.commands.stop()
        await speaking


class TestStop:
    async def test_the_beginning_of_the_reply_is_kept(self, chat: Chat, model: ScriptedModel) -> None:
        model.then(Say("half a "), Pause(60), Say("reply"))
        speaking = asyncio.create_task(chat.type("hi"))
        await until(lambda: chat.screen.replies == ["half a "])
        chat.commands.stop()
        assert await speaking == Outcome(exit_code=EXIT_CODES[Kind.CANCELLED])
        assert "Stopped" in chat.screen.noted[0]
        conversation_id = ConversationId(str(chat.session.conversation_id))
        said = await chat.house.said_last(conversation_id, 5)
        assert [message.text for message in said] == ["hi", "half a "]

    async def test_a_stop_while_the_turn_is_being_taken_is_not_lost(self, chat: Chat, model: ScriptedModel) -> None:
        model.then(Pause(60))
        speaking = asyncio.create_task(chat.type("hi"))
        await asyncio.sleep(0)
        chat.commands.stop()
        assert await asyncio.wait_for(speaking, 10) == Outcome(exit_code=EXIT_CODES[Kind.CANCELLED])

    async def test_with_nothing_to_stop_nothing_happens(self, chat: Chat) -> None:
        chat.commands.stop()
        assert await chat.type("hi") == Outcome()


class TestSlashCommands:
    async def test_new_starts_over(self, chat: Chat) -> None:
        await chat.type("hi", "/new", "again", "/cost")
        assert chat.screen.shown[0].endswith("in 2 messages")

    async def test_list_names_conversations_by_title_or_first_words(self, chat: Chat) -> None:
        await chat.type("what are tides", "/new Cats", "/list")
        newest, oldest = chat.screen.shown
        assert newest.startswith("*  1  Cats ")
        assert oldest.startswith("   2  what are tides ")

    async def test_open_goes_back_by_number_or_id(self, chat: Chat) -> None:
        await chat.type("tides")
        tides = chat.session.conversation_id
        await chat.type("/new Cats", "/open 2")
        assert chat.session.conversation_id == tides
        await chat.type("/open 1", f"/open {tides}")
        assert chat.session.conversation_id == tides

    async def test_numbers_mean_what_the_list_on_the_screen_says(self, chat: Chat) -> None:
        await chat.type("tides")
        tides = chat.session.conversation_id
        await chat.type("/list", "/new Cats", "/open 1")
        assert chat.session.conversation_id == tides

    async def test_context_shows_what_the_model_would_be_shown(self, chat: Chat) -> None:
        await chat.type("hi", "/context")
        question, answer, *account = chat.screen.shown
        assert (question.split(), answer.split()) == (["user", "hi"], ["assistant", "hi"])
        assert any("messages 1 to 2" in line for line in account)

    async def test_context_of_a_question_shows_it_last_and_does_not_say_it(self, chat: Chat) -> None:
        await chat.type("hi", "/context What are tides?")
        assert any(line.split()[1:] == ["What", "are", "tides?"] for line in chat.screen.shown)
        conversation = await chat.session.current()
        assert conversation is not None
        assert conversation.message_count == 2

    def test_the_account_has_a_line_for_every_part(self) -> None:
        manifest = {
            "strategy": "auto",
            "input_tokens": 61,
            "budget_tokens": 100,
            "pinned": {"numbers": [1], "tokens": 5},
            "summary": {"last": 8, "tokens": 9},
            "sent": {"first": 9, "last": 12, "tokens": 40, "reason": "fits"},
            "recalled": {"messages": [{"number": 3, "score": 1.5}], "tokens": 7},
            "dropped": {"last": 8, "reason": "older"},
            "prefix": {"share": 0.91},
        }
        assert account_of(manifest) == [
            "61 of 100 tokens, strategy auto",
            "1 pinned messages from before: 5 tokens",
            "a summary of messages 1 to 8: 9 tokens",
            "messages 9 to 12: 40 tokens (fits)",
            "recalled: 3 (score 1.5): 7 tokens",
            "up to 8 left out (older)",
            "91% of it began the prompt before, too",
        ]

    @pytest.mark.parametrize("line", ["/context", "/cost"])
    async def test_before_anything_was_said_there_is_nothing_to_show(self, chat: Chat, line: str) -> None:
        assert await chat.type(line) == Outcome()
        assert len(chat.screen.noted) == 1

    @pytest.mark.parametrize("line", ["/open", "/open 0", "/open 7", "/open ²", "/open x", "/nonsense"])
    async def test_what_cannot_be_done_gets_a_hint(self, chat: Chat, line: str) -> None:
        assert (await chat.type(line)).exit_code == EXIT_CODES[Kind.INVALID]
        assert len(chat.screen.failed) == 1

    async def test_help_names_every_command(self, chat: Chat) -> None:
        await chat.type("/help")
        named = {line.split()[0] for line in chat.screen.shown}
        assert {"/new", "/list", "/open", "/context", "/cost", "/help", "/quit"} <= named

    @pytest.mark.parametrize("line", ["/quit", " /QUIT ", "/exit"])
    async def test_quit_leaves(self, chat: Chat, line: str) -> None:
        assert (await chat.type(line)).is_leaving
