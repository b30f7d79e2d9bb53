"""The service that a product embeds, on both databases.

Acceptance: Unit tests verify repository/service wiring and base conversation helper behaviors. (The other lines of the
module's specification are quoted at the tests that hold them, here and in the files beside.)
"""

import asyncio
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from conversation_engine import (
    ConversationDetailDTO,
    ConversationEngine,
    ConversationEngineService,
    ConversationId,
    ConversationMessageDTO,
    ConversationStatus,
    ConversationSummaryDTO,
    EngineError,
    GenerationFailedError,
    Kind,
    LLMMessage,
    MessageRole,
    MessageStatus,
    NewTurn,
    TokenUsage,
    TurnId,
    UserId,
)
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.insights.cost.types import CostGroup
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.conftest import OpenEngine, until

Service = ConversationEngineService


def is_canonical_uuid(text: object) -> bool:
    return isinstance(text, str) and str(UUID(text)) == text


def said(messages: list[ConversationMessageDTO]) -> list[Any]:
    return [message.content for message in messages]


class TestCreateConversation:
    """Acceptance: Creating a conversation stores metadata and returns a DTO with stringified UUIDs."""

    async def test_it_stores_metadata_and_gives_a_dto_with_string_ids(self, service: Service) -> None:
        created = await service.create_conversation(
            conversation_type="tutoring", title="Fractions", metadata={"lesson": {"id": 3}}
        )
        assert type(created) is ConversationSummaryDTO
        assert is_canonical_uuid(created.id)
        assert created.user_id == "ada"
        assert (created.conversation_type, created.title) == ("tutoring", "Fractions")
        assert created.metadata == {"lesson": {"id": 3}}
        assert await service.get_conversation(created.id) == created

    async def test_a_new_one_is_active_empty_and_free(self, service: Service) -> None:
        created = await service.create_conversation()
        assert created.conversation_type == "general"
        assert created.status is ConversationStatus.ACTIVE
        assert (created.message_count, created.total_tokens, created.total_cost) == (0, 0, Decimal(0))
        assert created.created_at.tzinfo is UTC
        assert created.created_at == created.updated_at
        assert (created.last_message_at, created.ended_at) == (None, None)

    @pytest.mark.parametrize("metadata", [None, {}])
    async def test_metadata_defaults_to_an_empty_object(
        self, service: Service, metadata: dict[str, Any] | None
    ) -> None:
        """Acceptance: Conversation/message metadata should default to `{}` while allowing `None` overrides"""
        created = await service.create_conversation(metadata=metadata)
        message = await service.record_user_message(created.id, "Hello", metadata=metadata)
        assert created.metadata == {}
        assert message.metadata == {}

    async def test_metadata_is_copied_in_and_out(self, service: Service) -> None:
        """Acceptance: prefer copying input dicts to avoid accidental mutation"""
        metadata = {"tags": ["new"]}
        created = await service.create_conversation(metadata=metadata)
        metadata["tags"].append("changed by the caller")
        created.metadata["tags"].append("changed by the receiver")
        assert (await service.get_conversation(created.id)).metadata == {"tags": ["new"]}

    async def test_a_user_may_have_a_uuid(self, engine: ConversationEngine) -> None:
        user_id = uuid4()
        created = await Service(engine).create_conversation(user_id=user_id)
        assert created.user_id == str(user_id)


class TestRecordMessages:
    """Acceptance: Adding messages enforces monotonic ordering, updates conversation timestamps, and returns DTOs."""

    async def test_messages_are_numbered_in_order_and_given_back_as_dtos(self, service: Service) -> None:
        conversation = await service.create_conversation()
        messages = [
            await service.record_system_message(conversation.id, "Be kind."),
            await service.record_user_message(conversation.id, "Hello", metadata={"channel": "web"}),
            await service.record_assistant_message(conversation.id, "Hello, Ada."),
        ]
        assert all(type(message) is ConversationMessageDTO for message in messages)
        assert [message.sequence_number for message in messages] == [1, 2, 3]
        assert [message.message_order for message in messages] == [1, 2, 3]
        assert [message.role for message in messages] == ["system", "user", "assistant"]
        assert all(is_canonical_uuid(message.id) for message in messages)
        assert {(message.conversation_id, message.user_id) for message in messages} == {(conversation.id, "ada")}
        assert messages[1].metadata == {"channel": "web"}
        assert await service.get_message_history(conversation.id) == messages

    async def test_many_at_once_still_have_one_order_without_gaps(self, service: Service) -> None:
        conversation = await service.create_conversation()
        written = await asyncio.gather(
            *(service.record_user_message(conversation.id, f"message {number}") for number in range(20))
        )
        assert sorted(message.sequence_number for message in written) == list(range(1, 21))
        history = await service.get_message_history(conversation.id)
        assert [message.sequence_number for message in history] == list(range(1, 21))

    async def test_the_conversation_counts_and_stamps_it(self, service: Service) -> None:
        created = await service.create_conversation()
        message = await service.record_user_message(created.id, "Hello")
        after = await service.get_conversation(created.id)
        assert after.message_count == 1
        assert after.last_message_at == after.updated_at == message.created_at
        assert after.updated_at >= created.updated_at

    async def test_ids_are_taken_as_uuid_or_text(self, service: Service) -> None:
        """Acceptance: When converting user-provided IDs, accept both `uuid.UUID` and string forms"""
        conversation = await service.create_conversation()
        for form in (UUID(conversation.id), conversation.id, conversation.id.upper()):
            assert (await service.record_user_message(form, "Hello")).conversation_id == conversation.id

    async def test_a_reply_made_elsewhere_brings_its_tokens_and_its_cost(self, service: Service) -> None:
        conversation = await service.create_conversation()
        message = await service.record_assistant_message(
            conversation.id, "Made elsewhere.", token_count=12, cost=Decimal("0.0003")
        )
        after = await service.get_conversation(conversation.id)
        assert (message.token_count, message.cost) == (12, Decimal("0.0003"))
        assert (after.total_tokens, after.total_cost) == (12, Decimal("0.0003"))
        costs = service.engine.costs
        question = costs.question(CostGroup.MODEL, user_id=UserId("ada"))
        report = await costs.report(question, asked_by=Principal(user_id=UserId("ada"), role=Role.STUDENT))
        [row] = report.rows
        assert (row.key, row.spending.output_tokens, row.spending.cost) == (
            "elsewhere/elsewhere",
            12,
            Decimal("0.0003"),
        )

    async def test_a_call_of_this_engine_is_not_counted_twice(self, service: Service) -> None:
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, "Hello")
        _, request = await service.generate_assistant_response(conversation.id)
        before = await service.get_conversation(conversation.id)
        await service.record_assistant_message(
            conversation.id, "Again.", token_count=12, cost=Decimal(1), llm_request_id=request.llm_request_id
        )
        after = await service.get_conversation(conversation.id)
        assert (after.total_tokens, after.total_cost) == (before.total_tokens, before.total_cost)

    async def test_json_content_is_kept(self, service: Service) -> None:
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, {"choice": ["a", "b"]})
        assert said(await service.get_message_history(conversation.id)) == [{"choice": ["a", "b"]}]

    async def test_an_ended_conversation_takes_none(self, service: Service) -> None:
        conversation = await service.create_conversation()
        await service.end_conversation(conversation.id)
        with pytest.raises(EngineError, match="completed") as raised:
            await service.record_user_message(conversation.id, "One more thing")
        assert raised.value.code == "conversation_not_active"


class TestGetMessageHistory:
    """Acceptance: fetching history with optional filters"""

    @pytest.fixture
    async def conversation_id(self, service: Service) -> str:
        conversation = await service.create_conversation()
        for number in range(1, 4):
            await service.record_user_message(conversation.id, f"question {number}")
            await service.record_assistant_message(conversation.id, f"answer {number}")
        return conversation.id

    async def test_a_limit_keeps_the_newest_in_order(self, service: Service, conversation_id: str) -> None:
        history = await service.get_message_history(conversation_id, limit=3)
        assert said(history) == ["answer 2", "question 3", "answer 3"]

    async def test_by_role(self, service: Service, conversation_id: str) -> None:
        history = await service.get_message_history(conversation_id, role=MessageRole.USER, limit=2)
        assert said(history) == ["question 2", "question 3"]

    async def test_between_two_places(self, service: Service, conversation_id: str) -> None:
        history = await service.get_message_history(conversation_id, after=2, before=5)
        assert said(history) == ["question 2", "answer 2"]

    async def test_longer_than_a_page(self, service: Service) -> None:
        conversation = await service.create_conversation()
        for number in range(203):
            await service.record_user_message(conversation.id, str(number))
        assert said(await service.get_message_history(conversation.id)) == [str(number) for number in range(203)]
        assert len(await service.get_message_history(conversation.id, limit=201)) == 201

    @pytest.mark.parametrize("wrong", [{"limit": 0}, {"role": "narrator"}])
    async def test_nonsense_is_refused(self, service: Service, conversation_id: str, wrong: dict[str, Any]) -> None:
        with pytest.raises(EngineError) as raised:
            await service.get_message_history(conversation_id, **wrong)
        assert raised.value.kind is Kind.INVALID


class TestGetConversationDetail:
    async def test_it_has_every_field_of_the_summary_and_the_messages(self, service: Service) -> None:
        conversation = await service.create_conversation(title="Fractions")
        await service.record_user_message(conversation.id, "Hello")
        await service.record_user_message(conversation.id, "Are you there?")
        detail = await service.get_conversation_detail(UUID(conversation.id))
        assert type(detail) is ConversationDetailDTO
        assert isinstance(detail, ConversationSummaryDTO)
        assert (detail.id, detail.title, detail.message_count) == (conversation.id, "Fractions", 2)
        assert said(list(detail.messages)) == ["Hello", "Are you there?"]
        assert said(list((await service.get_conversation_detail(conversation.id, limit=1)).messages)) == [
            "Are you there?"
        ]


class TestListConversations:
    """Acceptance: listing by user/type/status"""

    async def test_by_user_type_and_status(self, engine: ConversationEngine) -> None:
        service = Service(engine)
        lesson = await service.create_conversation(user_id="ada", conversation_type="lesson")
        ended = await service.create_conversation(user_id="ada", conversation_type="lesson")
        chat = await service.create_conversation(user_id="ada")
        other = await service.create_conversation(user_id="bob", conversation_type="lesson")
        await service.end_conversation(ended.id, user_id="ada")

        async def ids(**wanted: Any) -> list[str]:
            return [row.id for row in (await service.list_conversations(**wanted)).items]

        assert await ids(user_id="ada") == [chat.id, ended.id, lesson.id]
        assert await ids(user_id="bob") == [other.id]
        assert await ids(user_id="ada", conversation_type="lesson") == [ended.id, lesson.id]
        assert await ids(user_id="ada", status="completed") == [ended.id]
        assert await ids(user_id="ada", conversation_type="lesson", status=ConversationStatus.ACTIVE) == [lesson.id]

    async def test_page_by_page(self, service: Service) -> None:
        created = [(await service.create_conversation()).id for _ in range(3)]
        first = await service.list_conversations(limit=2)
        second = await service.list_conversations(limit=2, cursor=first.next)
        assert [row.id for row in [*first.items, *second.items]] == created[::-1]
        assert second.next is None

    async def test_an_unknown_status_is_refused(self, service: Service) -> None:
        with pytest.raises(EngineError, match="active, completed, archived"):
            await service.list_conversations(status="finished")


class TestChanges:
    async def test_title_metadata_and_status(self, service: Service) -> None:
        conversation = await service.create_conversation(title="Untitled", metadata={"old": True})
        assert (await service.update_title(conversation.id, "Fractions")).title == "Fractions"
        assert (await service.update_metadata(conversation.id, {"new": True})).metadata == {"new": True}
        ended = await service.end_conversation(conversation.id)
        assert ended.status is ConversationStatus.COMPLETED
        assert ended.ended_at is not None
        reopened = await service.update_status(conversation.id, "active")
        assert (reopened.status, reopened.ended_at) == (ConversationStatus.ACTIVE, None)

    async def test_deleted_is_gone(self, service: Service) -> None:
        conversation = await service.create_conversation()
        await service.delete_conversation(conversation.id)
        with pytest.raises(EngineError) as raised:
            await service.get_conversation(conversation.id)
        assert raised.value.kind is Kind.NOT_FOUND


class TestBuildLlmContext:
    """Acceptance: Building LLM context yields `LLMMessage` objects in conversation order with optional system prompt
    prepended.
    """

    async def test_messages_in_order_with_the_prompt_in_front(self, service: Service) -> None:
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, "Hello")
        await service.record_assistant_message(conversation.id, "Hello, Ada.")
        await service.record_user_message(conversation.id, "What is a fraction?")
        in_order = [
            LLMMessage(role="user", content="Hello"),
            LLMMessage(role="assistant", content="Hello, Ada."),
            LLMMessage(role="user", content="What is a fraction?"),
        ]
        prompt = LLMMessage(role="system", content="Be brief.")
        assert await service.build_llm_context(conversation.id) == in_order
        assert await service.build_llm_context(conversation.id, system_prompt="Be brief.") == [prompt, *in_order]
        assert await service.build_llm_context(conversation.id, system_prompt="Be brief.", limit=1) == [
            prompt,
            in_order[-1],
        ]
        assert await service.build_llm_context(conversation.id, limit=2) == in_order[1:]
        assert await service.build_llm_context(conversation.id, limit=0) == []

    async def test_the_conversations_own_prompt_can_be_replaced_or_left_out(self, service: Service) -> None:
        conversation = await service.create_conversation(system_prompt="Be kind.")
        await service.record_user_message(conversation.id, "Hello")

        async def first(**options: Any) -> str:
            return (await service.build_llm_context(conversation.id, **options))[0].content

        assert await first() == "Be kind."
        assert await first(system_prompt="Be brief.") == "Be brief."
        assert await first(system_prompt="") == "Hello"

    async def test_it_is_what_the_model_is_sent(self, service: Service, model: ScriptedModel) -> None:
        conversation = await service.create_conversation()
        await service.record_system_message(conversation.id, "The pupil is nine.")
        await service.record_user_message(conversation.id, "Hello")
        context = await service.build_llm_context(conversation.id, system_prompt="Be brief.")
        await service.generate_assistant_response(conversation.id, system_prompt="Be brief.")
        assert list(model.requests[0].messages) == context

    async def test_an_empty_conversation_gives_the_prompt_alone(self, service: Service) -> None:
        silent = await service.create_conversation()
        prompted = await service.create_conversation(system_prompt="Be kind.")
        assert await service.build_llm_context(silent.id) == []
        assert await service.build_llm_context(prompted.id) == [LLMMessage(role="system", content="Be kind.")]
        assert await service.build_llm_context(prompted.id, system_prompt="") == []


class TestGenerateAssistantResponse:
    """Acceptance: Generating an assistant reply calls `llm_services.generate_response`, records the message with
    token/cost metadata, and returns both the DTO and request metadata.

    Here the call goes through a durable turn of the engine.
    """

    @pytest.fixture
    async def asked(self, service: Service) -> str:
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, "Hello")
        return conversation.id

    async def test_it_records_the_reply_with_tokens_and_gives_both(self, open_engine: OpenEngine) -> None:
        usage = TokenUsage(input_tokens=11, cached_tokens=3, output_tokens=2, cache_write_tokens=5, reasoning_tokens=0)
        service = Service(await open_engine(ScriptedModel([Say("Hello, "), Say("Ada.")], usage=usage)), user_id="ada")
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, "Hello")
        reply, request = await service.generate_assistant_response(conversation.id)
        assert (reply.role, reply.content, reply.sequence_number) == ("assistant", "Hello, Ada.", 2)
        assert (reply.token_count, reply.llm_request_id) == (2, request.llm_request_id)
        assert (request.provider, request.model, request.finish_reason) == ("scripted", "test", "stop")
        assert (request.input_tokens, request.cached_tokens, request.output_tokens) == (11, 3, 2)
        assert (request.cache_write_tokens, request.reasoning_tokens) == (5, 0)
        assert is_canonical_uuid(request.llm_request_id)
        assert request.latency_ms >= 0
        after = await service.get_conversation_detail(conversation.id)
        assert after.messages[-1] == reply
        assert (after.message_count, after.total_tokens) == (2, 13)

    async def test_missing_usage_is_none_not_zero(self, service: Service, asked: str) -> None:
        """Acceptance: should gracefully handle missing token/cost data (store `None` when unavailable)"""
        reply, request = await service.generate_assistant_response(asked)
        assert (reply.token_count, reply.cost) == (None, None)
        assert (request.input_tokens, request.cached_tokens, request.output_tokens, request.cost) == (None,) * 4
        assert (await service.get_message_history(asked))[-1] == reply

    async def test_metadata_is_merged_with_provider_and_model(self, service: Service, asked: str) -> None:
        """Acceptance: allow caller-provided metadata to be merged with provider/model info"""
        metadata = {"lesson": {"step": 3}, "provider": "somebody else"}
        reply, _ = await service.generate_assistant_response(asked, metadata=metadata)
        assert reply.metadata == {"lesson": {"step": 3}, "provider": "scripted", "model": "test"}
        assert metadata == {"lesson": {"step": 3}, "provider": "somebody else"}

    async def test_metadata_is_the_callers_to_change_while_the_reply_comes(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Say("A"), Pause(0.1))
        metadata = {"steps": [1]}
        generation = asyncio.create_task(service.generate_assistant_response(asked, metadata=metadata))
        await until(lambda: bool(model.requests))
        metadata["steps"].append(2)
        reply, _ = await generation
        assert reply.metadata["steps"] == [1]

    async def test_metadata_that_is_not_json_is_refused_before_anything_happens(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        with pytest.raises(EngineError) as raised:
            await service.generate_assistant_response(asked, metadata={"when": object()})
        assert raised.value.kind is Kind.INVALID
        assert model.requests == []

    async def test_a_prompt_for_this_once(self, service: Service, model: ScriptedModel) -> None:
        conversation = await service.create_conversation(system_prompt="Be kind.")
        await service.record_user_message(conversation.id, "Hello")
        for prompt in ("Be brief.", None, ""):
            await service.generate_assistant_response(conversation.id, system_prompt=prompt)
        first = [request.messages[0] for request in model.requests]
        assert [message.content for message in first] == ["Be brief.", "Be kind.", "Hello"]
        assert (await service.get_conversation(conversation.id)).system_prompt == "Be kind."

    async def test_sampling_and_model_reach_the_provider(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        await service.generate_assistant_response(
            asked, model="scripted/other", temperature=0.2, top_p=0.9, reply_limit_tokens=5, stop=("END",), seed=7
        )
        request = model.requests[0]
        assert request.model == "other"
        assert request.sampling.as_json() == {
            "temperature": 0.2,
            "top_p": 0.9,
            "reply_limit_tokens": 5,
            "stop": ["END"],
            "seed": 7,
        }

    async def test_it_is_a_durable_turn(self, engine: ConversationEngine, service: Service, asked: str) -> None:
        reply, request = await service.generate_assistant_response(asked)
        assert reply.turn_id == request.turn_id
        detail = await engine.turns.get(ConversationId(asked), TurnId(request.turn_id), owner_id=UserId("ada"))
        assert [attempt.id for attempt in detail.attempts] == [request.llm_request_id]

    async def test_a_caller_who_goes_away_changes_nothing(
        self, engine: ConversationEngine, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Say("Still "), Pause(0.3), Say("here."))
        generation = asyncio.create_task(service.generate_assistant_response(asked))
        await until(lambda: bool(model.requests))
        generation.cancel()
        with pytest.raises(EngineError) as raised:
            await service.generate_assistant_response(asked)
        running = TurnId(str(raised.value.facts["turn_id"]))
        detail = await engine.turns.get(ConversationId(asked), running, owner_id=UserId("ada"))
        await engine.turns.wait(detail.turn)
        assert said(await service.get_message_history(asked)) == ["Hello", "Still here."]

    async def test_while_another_reply_is_made_it_is_refused(
        self, engine: ConversationEngine, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Pause(0.3), Say("One."))
        turn = await engine.turns.submit(
            NewTurn(conversation_id=ConversationId(asked), owner_id=UserId("ada"), content=None)
        )
        with pytest.raises(EngineError) as raised:
            await service.generate_assistant_response(asked)
        assert raised.value.code == "turn_in_progress"
        await engine.turns.wait(turn)


class TestGenerationFailures:
    @pytest.fixture
    async def asked(self, service: Service) -> str:
        conversation = await service.create_conversation()
        await service.record_user_message(conversation.id, "Hello")
        return conversation.id

    async def failure(self, service: Service, conversation_id: str) -> GenerationFailedError:
        with pytest.raises(GenerationFailedError) as raised:
            await service.generate_assistant_response(conversation_id)
        return raised.value

    async def test_it_carries_the_turns_code_and_sentence(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Fail(OverloadedError("529 from upstream")))
        error = await self.failure(service, asked)
        assert (error.code, error.kind) == ("generation_failed", Kind.UPSTREAM)
        assert error.turn_code == error.facts["turn_code"] == "model_overloaded"
        assert error.detail == OverloadedError.sentence
        assert is_canonical_uuid(error.facts["turn_id"])
        assert error.reply is None

    async def test_it_carries_the_beginning_of_the_reply(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Say("Hel"), Fail(OverloadedError()))
        error = await self.failure(service, asked)
        assert error.reply is not None
        assert (error.reply.content, error.reply.status) == ("Hel", MessageStatus.PARTIAL)
        assert (await service.get_message_history(asked))[-1] == error.reply

    async def test_an_empty_conversation_has_nothing_to_answer(self, service: Service) -> None:
        conversation = await service.create_conversation()
        assert (await self.failure(service, conversation.id)).turn_code == "nothing_to_answer"

    async def test_a_reply_without_a_word_is_no_reply(self, service: Service, model: ScriptedModel, asked: str) -> None:
        model.then()
        assert (await self.failure(service, asked)).turn_code == "empty_reply"

    async def test_a_conversation_deleted_meanwhile_is_gone(
        self, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Say("Once upon"), Pause(0.1), Say(" a time"))
        generation = asyncio.create_task(service.generate_assistant_response(asked))
        await until(lambda: bool(model.requests))
        await service.delete_conversation(asked)
        with pytest.raises(EngineError) as raised:
            async with asyncio.timeout(10):
                await generation
        assert raised.value.code == "conversation_not_found"

    async def test_a_cancelled_turn_says_so(
        self, engine: ConversationEngine, service: Service, model: ScriptedModel, asked: str
    ) -> None:
        model.then(Say("Once upon"), Pause(30))
        generation = asyncio.create_task(self.failure(service, asked))
        await until(lambda: bool(model.requests))
        with pytest.raises(EngineError) as raised:
            await service.generate_assistant_response(asked)
        running = TurnId(str(raised.value.facts["turn_id"]))
        await engine.turns.cancel(ConversationId(asked), running, owner_id=UserId("ada"))
        error = await generation
        assert (error.turn_code, error.turn_state) == ("turn_cancelled", "cancelled")


VERBS_OF_ONE_CONVERSATION: dict[str, tuple[Any, ...]] = {
    "get_conversation": (),
    "get_conversation_detail": (),
    "get_message_history": (),
    "build_llm_context": (),
    "generate_assistant_response": (),
    "record_user_message": ("Hello",),
    "record_system_message": ("Hello",),
    "record_assistant_message": ("Hello",),
    "update_title": ("Mine",),
    "update_metadata": ({},),
    "update_status": ("archived",),
    "end_conversation": (),
    "delete_conversation": (),
}


class TestScope:
    async def test_strangers_unknown_ids_and_nonsense_are_told_apart(self, service: Service) -> None:
        hers = await service.create_conversation()
        bob = Service(service.engine, user_id="bob")
        for where, kind in ((hers.id, Kind.FORBIDDEN), (uuid4(), Kind.NOT_FOUND), ("nonsense", Kind.INVALID)):
            for verb, arguments in VERBS_OF_ONE_CONVERSATION.items():
                with pytest.raises(EngineError) as raised:
                    await getattr(bob, verb)(where, *arguments)
                assert raised.value.kind is kind, verb
        assert await service.get_conversation(hers.id) == hers

    async def test_without_a_user_nothing_is_done(self, engine: ConversationEngine) -> None:
        with pytest.raises(EngineError, match="user_id") as raised:
            await Service(engine).create_conversation()
        assert raised.value.code == "user_required"

    async def test_a_bound_service_acts_for_nobody_else(self, service: Service) -> None:
        assert (await service.create_conversation(user_id="ada")).user_id == "ada"
        with pytest.raises(EngineError, match="another user"):
            await service.create_conversation(user_id="bob")
        with pytest.raises(EngineError, match="another user"):
            service.for_user("bob")

    async def test_for_user_binds(self, engine: ConversationEngine) -> None:
        bound = Service(engine).for_user("ada")
        assert bound.user_id == "ada"
        assert (await bound.create_conversation()).user_id == "ada"
