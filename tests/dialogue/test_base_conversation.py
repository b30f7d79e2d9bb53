"""Conversations as classes."""

import asyncio
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from conversation_engine import (
    BaseConversation,
    ConversationEngine,
    ConversationEngineService,
    EngineError,
    LLMMessage,
    conversation_session,
)
from conversation_engine.testing import ScriptedModel

Service = ConversationEngineService


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database: nothing here depends on it."""
    return f"sqlite:///{tmp_path / 'test.db'}"


class Tutor(BaseConversation):
    """What a product would write."""

    conversation_type = "tutoring"
    title = "Lesson"
    system_prompt = "You are a patient teacher."

    @conversation_session
    async def ask(self, question: str, *, conversation_id: str | None = None) -> tuple[str, str]:
        await self.record_user_message(question, metadata={"channel": "web"})
        reply, request = await self.generate_assistant_response(metadata={"step": 1}, temperature=0.5)
        assert reply.llm_request_id == request.llm_request_id
        assert conversation_id == self.conversation_id
        return self.conversation_id, str(reply.content)

    @conversation_session
    async def look(self, *, conversation_id: str | None = None) -> list[LLMMessage]:
        return await self.build_llm_context()


@pytest.fixture
def tutor(engine: ConversationEngine) -> Tutor:
    return Tutor(engine, user_id="ada")


class TestBaseConversation:
    """Acceptance: Base conversation decorator establishes context, auto-creates conversations when needed, and exposes
    helper methods for subclasses.
    """

    async def test_a_method_starts_a_conversation_and_goes_on_with_it(self, tutor: Tutor, service: Service) -> None:
        started, reply = await tutor.ask("What is a half?")
        assert reply == "What is a half?"
        await tutor.ask("And a third?", conversation_id=started)
        detail = await service.get_conversation_detail(started)
        assert (detail.conversation_type, detail.title) == ("tutoring", "Lesson")
        assert [message.role for message in detail.messages] == ["user", "assistant"] * 2
        assert detail.messages[0].metadata == {"channel": "web"}
        assert detail.messages[1].metadata == {"step": 1, "provider": "scripted", "model": "test"}

    async def test_the_model_is_told_the_class_prompt_first(
        self, tutor: Tutor, service: Service, model: ScriptedModel
    ) -> None:
        started, _ = await tutor.ask("What is a half?")
        assert model.requests[0].messages[0] == LLMMessage(role="system", content="You are a patient teacher.")
        assert model.requests[0].sampling.temperature == 0.5
        assert (await tutor.look(conversation_id=started))[0].content == "You are a patient teacher."
        assert (await service.get_conversation(started)).system_prompt == "You are a patient teacher."

    async def test_every_helper_writes_into_the_current_conversation(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        class Script(BaseConversation):
            @conversation_session
            async def play(self) -> str:
                await self.record_system_message("The pupil is nine.")
                await self.record_user_message("Hello")
                await self.record_assistant_message("Hello, Ada.", token_count=4, cost=Decimal("0.001"))
                assert [message.content for message in await self.get_message_history(limit=1)] == ["Hello, Ada."]
                assert len(await self.build_llm_context(system_prompt="Be brief.", limit=2)) == 3
                return self.conversation_id

        started = await Script(engine, user_id="ada").play()
        detail = await service.get_conversation_detail(UUID(started))
        assert [message.role for message in detail.messages] == ["system", "user", "assistant"]
        assert (detail.total_tokens, detail.total_cost) == (4, Decimal("0.001"))

    async def test_one_instance_serves_fifty_conversations_at_once(
        self, engine: ConversationEngine, service: Service
    ) -> None:
        class Notes(BaseConversation):
            @conversation_session
            async def write(self, text: str) -> str:
                await self.record_user_message(text)
                await self.record_user_message(f"{text} again")
                return self.conversation_id

        notes = Notes(engine, user_id="ada")
        ids = await asyncio.gather(*(notes.write(str(number)) for number in range(50)))
        for number, conversation_id in enumerate(ids):
            history = await service.get_message_history(conversation_id)
            assert [message.content for message in history] == [str(number), f"{number} again"]

    async def test_outside_a_session_the_helpers_say_so(self, tutor: Tutor) -> None:
        with pytest.raises(EngineError, match="@conversation_session"):
            await tutor.record_user_message("Hello")
        with pytest.raises(EngineError, match="@conversation_session"):
            _ = tutor.conversation_id

    async def test_a_subclass_need_not_call_the_constructor(self, engine: ConversationEngine) -> None:
        class Desk(BaseConversation):
            user_id = "ada"

            def __init__(self) -> None:
                self.opened = True

            @conversation_session(engine=engine)
            async def work(self) -> str:
                return self.conversation_id

        assert await Desk().work()


class TestPrompts:
    @pytest.fixture
    def prompt_file(self, tmp_path: Path) -> Path:
        file = tmp_path / "prompt.txt"
        file.write_text("Sprich wie ein Bär.\n", encoding="utf-8")
        return file

    def test_from_a_string(self) -> None:
        assert Tutor().load_system_prompt() == "You are a patient teacher."
        assert BaseConversation().load_system_prompt() is None

    def test_from_a_utf8_file(self, prompt_file: Path) -> None:
        class FromFile(BaseConversation):
            system_prompt_file = prompt_file

        assert FromFile().load_system_prompt() == "Sprich wie ein Bär."

    def test_a_relative_path_starts_beside_the_class(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = tmp_path / "lesson_with_prompt.py"
        module.write_text(
            "from conversation_engine import BaseConversation\n"
            "class Lesson(BaseConversation):\n"
            "    system_prompt_file = 'lesson.txt'\n"
        )
        (tmp_path / "lesson.txt").write_text("Teach.")
        monkeypatch.syspath_prepend(tmp_path)
        import lesson_with_prompt  # type: ignore[import-not-found]

        assert lesson_with_prompt.Lesson().load_system_prompt() == "Teach."

    def test_the_closest_wins(self, prompt_file: Path) -> None:
        class FromFile(Tutor):
            system_prompt_file = prompt_file

        class Plain(FromFile):
            system_prompt = "Plain."

        assert FromFile().load_system_prompt() == "Sprich wie ein Bär."
        assert Plain().load_system_prompt() == "Plain."
        instance = Plain()
        instance.system_prompt = "Mine."
        assert instance.load_system_prompt() == "Mine."

    async def test_a_missing_file_is_named_before_anything_is_written(
        self, engine: ConversationEngine, service: Service, tmp_path: Path
    ) -> None:
        class Lost(BaseConversation):
            system_prompt_file = tmp_path / "lost.txt"

            @conversation_session
            async def work(self) -> None: ...

        with pytest.raises(EngineError, match=r"no prompt file .*lost\.txt") as raised:
            await Lost(engine, user_id="ada").work()
        assert raised.value.code == "prompt_unreadable"
        assert (await service.list_conversations()).items == []

    def test_what_cannot_be_read_says_why(self, tmp_path: Path) -> None:
        class Broken(BaseConversation):
            system_prompt_file = tmp_path / "latin1.txt"

        (tmp_path / "latin1.txt").write_bytes(b"\xff\xfe B\xe4r")
        with pytest.raises(EngineError, match="not UTF-8"):
            Broken().load_system_prompt()
        broken = Broken()
        broken.system_prompt_file = tmp_path
        with pytest.raises(EngineError, match="cannot be read"):
            broken.load_system_prompt()

    def test_two_prompts_in_one_place_are_refused(self, prompt_file: Path) -> None:
        class Both(BaseConversation):
            system_prompt = "One."
            system_prompt_file = prompt_file

        with pytest.raises(EngineError, match="Keep one of them"):
            Both().load_system_prompt()

    async def test_a_method_may_make_the_prompt_on_the_spot(
        self, engine: ConversationEngine, model: ScriptedModel
    ) -> None:
        class Guide(Tutor):
            def load_system_prompt(self) -> str:
                return "Made just now."

        await Guide(engine, user_id="ada").ask("Hello")
        assert model.requests[0].messages[0].content == "Made just now."
