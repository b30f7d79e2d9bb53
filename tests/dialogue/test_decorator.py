"""`@conversation_session` around functions, and around methods of any class."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from conversation_engine import (
    ConversationEngine,
    ConversationEngineService,
    EngineError,
    Kind,
    conversation_session,
    current_conversation,
)
from conversation_engine.dialogue.context import find_current_conversation
from conversation_engine.testing import ScriptedModel

Service = ConversationEngineService


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database: nothing here depends on it."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@conversation_session(user_id="ada")
async def note(text: str, *, conversation_id: str | None = None, **_: Any) -> str:
    """Writes a message; gives the conversation's id."""
    here = current_conversation()
    assert conversation_id == here.conversation_id
    await here.service.record_user_message(here.conversation_id, text)
    return here.conversation_id


class TestTheConversation:
    """Acceptance: Base conversation decorator establishes context, auto-creates conversations when needed, and exposes
    helper methods for subclasses.
    """

    async def test_one_is_created_when_none_is_named(self, engine: ConversationEngine, service: Service) -> None:
        first, second = await note("Hello", engine=engine), await note("Hello", engine=engine)
        assert first != second
        assert str(UUID(first)) == first
        assert [message.content for message in await service.get_message_history(first)] == ["Hello"]

    @pytest.mark.parametrize("form", [str, UUID, lambda text: text.upper()])
    async def test_a_named_one_is_gone_on_with(self, engine: ConversationEngine, service: Service, form: Any) -> None:
        started = await note("Hello", engine=engine)
        assert await note("More", engine=engine, conversation_id=form(started)) == started
        assert len(await service.get_message_history(started)) == 2

    async def test_it_is_created_as_the_decorator_says(self, engine: ConversationEngine, service: Service) -> None:
        @conversation_session(
            engine=engine,
            user_id="ada",
            conversation_type="tutoring",
            title="Fractions",
            metadata={"lesson": 3},
            system_prompt="Be kind.",
        )
        async def lesson() -> str:
            return current_conversation().conversation_id

        made = await service.get_conversation(await lesson())
        assert (made.conversation_type, made.title, made.metadata) == ("tutoring", "Fractions", {"lesson": 3})
        assert made.system_prompt == "Be kind."

    async def test_an_unknown_or_foreign_one_stops_the_call_before_it_begins(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        began = []

        @conversation_session(engine=engine)
        async def work() -> None:
            began.append(True)

        hers = await service.create_conversation()
        for where, kind in ((hers.id, Kind.FORBIDDEN), (uuid4(), Kind.NOT_FOUND), ("nonsense", Kind.INVALID)):
            with pytest.raises(EngineError) as raised:
                await work(user_id="bob", conversation_id=where)  # type: ignore[call-arg]
            assert raised.value.kind is kind
        assert began == []


class TestTheId:
    """Acceptance: surface the resolved conversation ID back to the caller (e.g., by mutating
    `kwargs["conversation_id"]`).
    """

    async def test_it_comes_as_a_keyword(self, engine: ConversationEngine) -> None:
        @conversation_session(engine=engine, user_id="ada")
        async def work(**kwargs: Any) -> tuple[str, str]:
            return kwargs["conversation_id"], current_conversation().conversation_id

        given, current = await work()
        assert given == current
        assert await work(conversation_id=UUID(given)) == (given, given)

    async def test_it_comes_as_the_parameter_of_that_name_by_position_too(self, engine: ConversationEngine) -> None:
        @conversation_session(engine=engine, user_id="ada")
        async def work(text: str, conversation_id: str, flag: bool = False) -> tuple[str, str, bool]:
            return text, conversation_id, flag

        _, started, _ = await work("Hello")  # type: ignore[call-arg]
        assert await work("More", started.upper(), True) == ("More", started, True)

    async def test_a_function_that_does_not_take_it_is_not_given_it(self, engine: ConversationEngine) -> None:
        @conversation_session
        async def work(text: str) -> tuple[str, str]:
            return text, current_conversation().conversation_id

        _, started = await work("Hello", engine=engine, user_id="ada")  # type: ignore[call-arg]
        again = await work("More", engine=engine, user_id="ada", conversation_id=started)  # type: ignore[call-arg]
        assert again == ("More", started)

    async def test_wrong_arguments_are_refused_before_a_conversation_is_made(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        @conversation_session(engine=engine, user_id="ada")
        async def work(text: str) -> None: ...

        with pytest.raises(TypeError, match="text"):
            await work()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="colour"):
            await work("Hello", colour="red")  # type: ignore[call-arg]
        assert (await service.list_conversations()).items == []


class TestTheContext:
    async def test_it_ends_with_the_call(self, engine: ConversationEngine) -> None:
        await note("Hello", engine=engine)
        assert find_current_conversation() is None

    async def test_it_ends_with_an_error_and_the_conversation_stays(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        @conversation_session(engine=engine, user_id="ada")
        async def work() -> None:
            here = current_conversation()
            await here.service.record_user_message(here.conversation_id, "Kept")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await work()
        assert find_current_conversation() is None
        assert [row.message_count for row in (await service.list_conversations()).items] == [1]

    async def test_fifty_calls_at_once_have_fifty_conversations(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        @conversation_session(engine=engine, user_id="ada")
        async def work(number: int) -> str:
            here = current_conversation()
            await here.service.record_user_message(here.conversation_id, f"message {number}")
            await asyncio.sleep(0)
            assert current_conversation() is here
            return here.conversation_id

        ids = await asyncio.gather(*map(work, range(50)))
        assert len(set(ids)) == 50
        for number in (0, 25, 49):
            history = await service.get_message_history(ids[number])
            assert [message.content for message in history] == [f"message {number}"]

    async def test_a_session_inside_another_shares_engine_and_user_and_starts_its_own(
        self, engine: ConversationEngine
    ) -> None:
        @conversation_session
        async def inner(conversation_id: str | None = None) -> tuple[str, str, ConversationEngine]:
            here = current_conversation()
            return here.conversation_id, here.user_id, here.service.engine

        @conversation_session(engine=engine, user_id="ada")
        async def outer(conversation_id: str | None = None) -> None:
            own, user_id, shared = await inner()
            assert (user_id, shared) == ("ada", engine)
            assert own != conversation_id
            assert current_conversation().conversation_id == conversation_id
            assert (await inner(conversation_id))[0] == conversation_id

        await outer()


class TestEngineAndUser:
    async def test_the_call_comes_before_the_instance_and_the_instance_before_the_decorator(
        self, engine: ConversationEngine
    ) -> None:
        @conversation_session(engine=engine, user_id="decorator")
        async def function(user_id: str | None = None) -> str:
            return current_conversation().user_id

        class Desk:
            def __init__(self, user_id: str | None) -> None:
                self.engine = "not one of ours"
                self.user_id = user_id

            @conversation_session(engine=engine, user_id="decorator")
            async def method(self, user_id: str | None = None) -> str:
                return current_conversation().user_id

        assert await function() == "decorator"
        assert await function("call") == "call"
        assert await Desk(None).method() == "decorator"
        assert await Desk("instance").method() == "instance"
        assert await Desk("instance").method("call") == "call"

    async def test_a_parameters_default_counts_as_the_call(self, engine: ConversationEngine) -> None:
        @conversation_session(engine=engine)
        async def work(user_id: str = "ada") -> str:
            return current_conversation().user_id

        assert await work() == "ada"

    async def test_without_a_user_nothing_is_done(self, engine: ConversationEngine) -> None:
        @conversation_session(engine=engine)
        async def work() -> None: ...

        with pytest.raises(EngineError) as raised:
            await work()
        assert raised.value.code == "user_required"

    async def test_without_an_engine_one_is_opened_for_the_call(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Acceptance: initializes infrastructure"""
        monkeypatch.setenv("CE_DATA_DIR", str(tmp_path / "home"))

        @conversation_session(user_id="ada")
        async def work(conversation_id: str | None = None) -> tuple[str, int, ConversationEngine]:
            here = current_conversation()
            await here.service.record_user_message(here.conversation_id, "Hello")
            history = await here.service.get_message_history(here.conversation_id)
            return here.conversation_id, len(history), here.service.engine

        started, _, first = await work()
        again, count, second = await work(started)
        assert (again, count) == (started, 2)
        assert first is not second
        assert not await first.is_database_ready()


class TestDecorating:
    def test_only_async_functions_can_be_wrapped(self) -> None:
        with pytest.raises(TypeError, match="async def"):

            @conversation_session  # type: ignore[arg-type]
            def work() -> None: ...

    def test_the_name_and_the_docstring_stay(self) -> None:
        assert note.__name__ == "note"
        assert note.__doc__ is not None
        assert note.__doc__.startswith("Writes a message")

    async def test_a_function_may_talk_to_the_model(
        self, engine: ConversationEngine, service: Service, model: ScriptedModel
    ) -> None:
        @conversation_session(engine=engine, user_id="ada", system_prompt="Be kind.")
        async def ask(question: str, *, conversation_id: str | None = None) -> str:
            here = current_conversation()
            await here.service.record_user_message(here.conversation_id, question)
            reply, _ = await here.service.generate_assistant_response(here.conversation_id)
            return str(reply.content)

        assert await ask("Hello") == "Hello"
        assert model.requests[0].messages[0].content == "Be kind."
