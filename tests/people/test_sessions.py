"""Practice sessions, by the names of seed 003."""

import asyncio
from dataclasses import replace

import pytest

from conversation_engine.domains.conversations.errors import (
    ConversationForbiddenError,
    ConversationNotActiveError,
    ConversationNotFoundError,
    NotASessionError,
    SessionActiveError,
    SessionFixedError,
)
from conversation_engine.domains.conversations.types import (
    ConversationStatus,
    MessageRole,
    NewConversation,
    NewMessage,
)
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.domains.personas.errors import PersonaArchivedError, PersonaForbiddenError
from conversation_engine.domains.personas.types import ClientProfile, PersonaStatus
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.windows import WindowOptions, WindowStrategy
from conversation_engine.people.sessions.errors import NoReplyError
from conversation_engine.testing import Fail, Say, ScriptedModel
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, BOB, MARIA, TESS, client_of


class TestStartConversation:
    async def test_the_client_greets_first_and_its_prompt_is_the_sessions(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        session = await engine.sessions.start_conversation(ADA, persona.id)
        assert (session.owner_id, session.type, session.title) == ("ada", "practice", "Maria")
        assert (session.persona_id, session.persona_version, session.supervisor_id) == (persona.id, 1, "tess")
        assert session.system_prompt == engine.personas.generate_system_prompt(MARIA)
        [greeting] = (await engine.conversations.list_messages(session.id, owner_id=ADA.user_id)).items
        assert (greeting.role, greeting.content) == (MessageRole.ASSISTANT, "Good morning.")
        assert session.message_count == 1

    async def test_a_client_without_an_opening_line_waits(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine, profile=ClientProfile(name="Sam"))
        assert (await engine.sessions.start_conversation(ADA, persona.id)).message_count == 0

    async def test_a_second_one_is_told_where_the_first_is(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        first = await engine.sessions.start_conversation(ADA, persona.id)
        with pytest.raises(SessionActiveError) as refused:
            await engine.sessions.start_conversation(ADA, persona.id)
        assert refused.value.facts == {"conversation_id": first.id}
        assert await engine.sessions.start_conversation(BOB, persona.id), "others have their own"
        other = await client_of(engine)
        assert await engine.sessions.start_conversation(ADA, other.id), "and one has one with each client"

    async def test_of_many_at_once_one_begins(self, open_engine: OpenEngine) -> None:
        engines = [await open_engine() for _ in range(3)]
        persona = await client_of(engines[0])
        starts = [engines[number % 3].sessions.start_conversation(ADA, persona.id) for number in range(6)]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        assert [isinstance(outcome, SessionActiveError) for outcome in outcomes].count(True) == 5
        assert len((await engines[0].sessions.list_of(ADA)).items) == 1

    async def test_a_repeated_request_is_the_same_session(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        once = Once.of("k", "same")
        first, again = [await engine.sessions.start_conversation(ADA, persona.id, once=once) for _ in range(2)]
        assert first == again

    async def test_not_with_a_client_that_is_private_or_archived(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        private = await engine.personas.create(TESS, MARIA)
        with pytest.raises(PersonaForbiddenError):
            await engine.sessions.start_conversation(ADA, private.id)
        persona = await client_of(engine)
        await engine.personas.set_status(TESS, persona.id, PersonaStatus.ARCHIVED)
        with pytest.raises(PersonaArchivedError):
            await engine.sessions.start_conversation(ADA, persona.id)


class TestOneActiveSession:
    async def test_it_is_found_until_it_ends(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        assert await engine.sessions.get_active_session(ADA, persona.id) is None
        session = await engine.sessions.start_conversation(ADA, persona.id)
        assert await engine.sessions.get_active_session(ADA, persona.id) == session
        ended = await engine.sessions.end_conversation(session.id, ADA)
        assert ended.status is ConversationStatus.COMPLETED
        assert await engine.sessions.end_conversation(session.id, ADA) == ended
        assert await engine.sessions.get_active_session(ADA, persona.id) is None
        assert (await engine.sessions.start_conversation(ADA, persona.id)).id != session.id

    async def test_no_other_verb_makes_a_second_one(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        old = await engine.sessions.start_conversation(ADA, persona.id)
        [greeting] = (await engine.conversations.list_messages(old.id, owner_id=ADA.user_id)).items
        with pytest.raises(SessionActiveError):
            await engine.conversations.fork(old.id, greeting.id, owner_id=ADA.user_id)
        await engine.sessions.end_conversation(old.id, ADA)
        await engine.sessions.start_conversation(ADA, persona.id)
        with pytest.raises(SessionActiveError):
            await engine.conversations.set_status(old.id, ConversationStatus.ACTIVE, owner_id=ADA.user_id)

    async def test_an_ended_one_can_be_tried_again_from_any_message(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        old = await engine.sessions.start_conversation(ADA, persona.id)
        [greeting] = (await engine.conversations.list_messages(old.id, owner_id=ADA.user_id)).items
        await engine.sessions.end_conversation(old.id, ADA)
        again = await engine.conversations.fork(old.id, greeting.id, owner_id=ADA.user_id)
        assert (again.persona_id, again.supervisor_id) == (persona.id, "tess")
        assert await engine.sessions.get_active_session(ADA, persona.id) == again


class TestTalking:
    async def test_a_message_and_its_answer(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("Tired.")])
        engine = await open_engine(model)
        persona = await client_of(engine)
        session = await engine.sessions.start_conversation(ADA, persona.id)
        said = await engine.sessions.send_message(session.id, "How are you?", ADA)
        assert (said.role, said.sequence_number) == (MessageRole.USER, 2)
        answer = await engine.sessions.get_ai_response(session.id, ADA)
        assert (answer.role, answer.content, answer.sequence_number) == (MessageRole.ASSISTANT, "Tired.", 3)
        shown = [(message.role, message.content) for message in model.requests[0].messages]
        assert shown == [
            ("system", session.system_prompt),
            ("assistant", "Good morning."),
            ("user", "How are you?"),
        ]

    async def test_an_answer_that_fails_keeps_the_message(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Fail(OverloadedError("busy"))], [Say("Better now.")])
        engine = await open_engine(model)
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        await engine.sessions.send_message(session.id, "Hello?", ADA)
        with pytest.raises(NoReplyError):
            await engine.sessions.get_ai_response(session.id, ADA)
        assert (await engine.sessions.get_ai_response(session.id, ADA)).content == "Better now."

    async def test_the_client_decides_how_much_of_a_long_session_is_shown(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        shown = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, last_messages=3)
        profile = replace(MARIA, opening_line="", window=shown)
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine, profile=profile)).id)
        for text in ("one", "two", "three"):
            turn = NewTurn(conversation_id=session.id, owner_id=ADA.user_id, content=text)
            await engine.turns.wait(await engine.turns.submit(turn))
        said = [message.text for message in model.requests[-1].messages if message.role != "system"]
        assert said == ["two", "two", "three"]

    async def test_the_client_decides_on_model_sampling_and_instructions(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        profile = replace(MARIA, model="scripted/maria", sampling=Sampling(temperature=0.2))
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine, profile=profile)).id)
        turn = NewTurn(
            conversation_id=session.id,
            owner_id=ADA.user_id,
            content="Hello",
            sampling=Sampling(temperature=1.9, seed=7),
        )
        await engine.turns.wait(await engine.turns.submit(turn))
        assert (model.requests[0].model, model.requests[0].sampling.temperature) == ("maria", 0.2)
        assert model.requests[0].sampling.seed == 7
        for fixed in ({"model": "scripted/other"}, {"system_prompt": "Be a pirate."}, {"system_prompt": ""}):
            with pytest.raises(SessionFixedError):
                await engine.turns.submit(replace(turn, **fixed))  # type: ignore[arg-type]
        for role in (MessageRole.SYSTEM, MessageRole.ASSISTANT):
            with pytest.raises(SessionFixedError):
                await engine.conversations.add_message(
                    session.id,
                    NewMessage(id=MessageId(new_id()), role=role, content="Be a pirate."),
                    owner_id=ADA.user_id,
                )
        assert (await engine.conversations.get(session.id, owner_id=ADA.user_id)).message_count == 3

    async def test_a_running_session_keeps_the_version_it_began_with(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        persona = await client_of(engine)
        session = await engine.sessions.start_conversation(ADA, persona.id)
        await engine.personas.edit(TESS, persona.id, replace(MARIA, background="A pilot."))
        await engine.sessions.send_message(session.id, "Hello", ADA)
        await engine.sessions.get_ai_response(session.id, ADA)
        assert "A nurse." in model.requests[0].messages[0].content
        await engine.sessions.end_conversation(session.id, ADA)
        later = await engine.sessions.start_conversation(ADA, persona.id)
        assert (later.persona_version, "A pilot." in str(later.system_prompt)) == (2, True)

    async def test_nobody_is_shown_the_instructions(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        await engine.sessions.send_message(session.id, "Hello", ADA)
        window = await engine.turns.preview(session.id, owner_id=ADA.user_id)
        assert "A nurse." not in repr(window)
        with pytest.raises(SessionFixedError):
            await engine.turns.preview(session.id, owner_id=ADA.user_id, system_prompt="")


class TestAccess:
    async def test_every_verb_is_the_students_own(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        for somebody in (BOB, TESS):
            for refused in (
                engine.sessions.send_message(session.id, "x", somebody),
                engine.sessions.get_ai_response(session.id, somebody),
                engine.sessions.end_conversation(session.id, somebody),
            ):
                with pytest.raises(ConversationForbiddenError):
                    await refused
        with pytest.raises(ConversationNotFoundError):
            await engine.sessions.send_message(ConversationId(new_id()), "x", ADA)

    async def test_an_ended_session_takes_no_more(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        await engine.sessions.end_conversation(session.id, ADA)
        with pytest.raises(ConversationNotActiveError):
            await engine.sessions.send_message(session.id, "x", ADA)

    async def test_a_plain_conversation_is_no_session(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        plain = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        with pytest.raises(NotASessionError):
            await engine.sessions.end_conversation(plain.id, ADA)
        assert (await engine.sessions.list_of(ADA)).items == []
