"""Reading along, and feedback: by those who may, and on record."""

import asyncio

import pytest

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, MessageNotFoundError
from conversation_engine.domains.conversations.types import ConversationStatus, NewConversation
from conversation_engine.domains.feedback.errors import EmptyFeedbackError
from conversation_engine.domains.feedback.types import Opinion, Verdict
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import MessageId
from conversation_engine.kernel.people import RoleForbiddenError
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, BOB, ROOT, TESS, THEO, client_of
from tests.turns.scenes import ToldModel


class TestReview:
    async def test_teachers_see_sessions_with_their_own_clients_only(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        mine, others = await client_of(engine, TESS), await client_of(engine, THEO)
        with_mine = await engine.sessions.start_conversation(ADA, mine.id)
        with_others = await engine.sessions.start_conversation(ADA, others.id)
        plain = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        assert [item.id for item in (await engine.review.list_of(TESS)).items] == [with_mine.id]
        conversation, page = await engine.review.read(TESS, with_mine.id)
        assert (conversation.id, [message.content for message in page.items]) == (with_mine.id, ["Good morning."])
        for hidden in (with_others.id, plain.id):
            with pytest.raises(ConversationForbiddenError):
                await engine.review.read(TESS, hidden)
        everything = {item.id for item in (await engine.review.list_of(ROOT)).items}
        assert everything == {with_mine.id, with_others.id, plain.id}

    async def test_students_do_not_read_along(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        for refused in (
            engine.review.list_of(BOB),
            engine.review.read(BOB, session.id),
            engine.review.live_turns(TESS),
        ):
            with pytest.raises(RoleForbiddenError):
                await refused

    async def test_every_look_is_on_record_with_the_look_itself(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        await engine.review.read(TESS, session.id)
        await engine.review.read(ROOT, session.id)
        looks = (await engine.audit.list_of(ROOT, AuditFilter(subject_id=ADA.user_id))).items
        assert [(look.deed.actor_id, look.deed.action, look.deed.target) for look in looks] == [
            (name, "conversation.looked_at", f"conversation:{session.id}") for name in ("root", "tess")
        ]

    async def test_an_admins_look_at_a_client_is_on_record(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        persona = await client_of(engine)
        await engine.personas.get(TESS, persona.id)
        await engine.personas.get(ROOT, persona.id)
        [look] = (await engine.audit.list_of(ROOT, AuditFilter(subject_id=TESS.user_id))).items
        assert (look.deed.actor_id, look.deed.action) == ("root", "persona.looked_at")

    async def test_it_filters_by_student_client_and_status(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        one, two = await client_of(engine), await client_of(engine)
        ended = await engine.sessions.start_conversation(ADA, one.id)
        await engine.sessions.end_conversation(ended.id, ADA)
        running = await engine.sessions.start_conversation(BOB, two.id)
        for wanted, expected in (
            ({"student_id": ADA.user_id}, ended),
            ({"client_id": two.id}, running),
            ({"status": ConversationStatus.ACTIVE}, running),
        ):
            assert [item.id for item in (await engine.review.list_of(TESS, **wanted)).items] == [expected.id]  # type: ignore[arg-type]

    async def test_admins_see_what_runs(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        turn = await engine.turns.submit(NewTurn(conversation_id=session.id, owner_id=ADA.user_id, content="Hi"))
        assert [live.id for live in await engine.review.live_turns(ROOT)] == [turn.id]
        model.finish()
        await engine.turns.wait(turn)
        assert await engine.review.live_turns(ROOT) == []


class TestFeedback:
    async def test_the_owner_the_teacher_and_admins_give_and_read_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        message = await engine.sessions.send_message(session.id, "Hello", ADA)
        mine = Opinion(verdict=Verdict.UP, rating=4, helped="Her humour.", hindered="Too fast.", tags=("b", "a", "b"))
        await engine.feedback.give(ADA, session.id, None, mine)
        await engine.feedback.give(TESS, session.id, message.id, Opinion(verdict=Verdict.DOWN))
        for reader in (ADA, TESS, ROOT):
            found = (await engine.feedback.list_of(reader, session.id)).items
            assert [(item.author_id, item.place.message_id) for item in found] == [
                ("tess", message.id),
                ("ada", None),
            ]
            assert found[1].opinion.tags == ("b", "a")
        assert len((await engine.feedback.received(TESS)).items) == 2
        assert (await engine.feedback.received(THEO)).items == []
        assert len((await engine.feedback.received(ROOT)).items) == 2

    async def test_others_neither_give_nor_read_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        for somebody in (BOB, THEO):
            for refused in (
                engine.feedback.give(somebody, session.id, None, Opinion(rating=1)),
                engine.feedback.list_of(somebody, session.id),
                engine.feedback.take_back(somebody, session.id, None),
            ):
                with pytest.raises(ConversationForbiddenError):
                    await refused
        with pytest.raises(RoleForbiddenError):
            await engine.feedback.received(BOB)

    async def test_one_author_has_one_opinion_of_a_thing(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        plain = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        gives = [engine.feedback.give(ADA, plain.id, None, Opinion(rating=rating)) for rating in (1, 2, 3, 4, 5)]
        assert len({item.id for item in await asyncio.gather(*gives)}) == 1
        last = await engine.feedback.give(ADA, plain.id, None, Opinion(helped="It."))
        assert (last.opinion.rating, last.opinion.helped) == (None, "It.")
        await engine.feedback.take_back(ADA, plain.id, None)
        await engine.feedback.take_back(ADA, plain.id, None)
        assert (await engine.feedback.list_of(ADA, plain.id)).items == []

    async def test_what_makes_no_sense_is_refused(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        plain = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
        with pytest.raises(EmptyFeedbackError):
            await engine.feedback.give(ADA, plain.id, None, Opinion(helped=" ", tags=(" ",)))
        for bad in (Opinion(rating=0), Opinion(rating=6), Opinion(tags=("x" * 51,)), Opinion(helped="x\x00")):
            with pytest.raises(InvalidInputError):
                await engine.feedback.give(ADA, plain.id, None, bad)
        with pytest.raises(MessageNotFoundError):
            await engine.feedback.give(ADA, plain.id, MessageId(new_id()), Opinion(rating=1))

    async def test_it_goes_with_its_message(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        message = await engine.sessions.send_message(session.id, "Hello", ADA)
        await engine.feedback.give(ADA, session.id, message.id, Opinion(rating=1))
        await engine.turns.delete_message(session.id, message.id, owner_id=ADA.user_id)
        assert (await engine.feedback.list_of(ADA, session.id)).items == []
