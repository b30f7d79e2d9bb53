"""Collections that a client knows: searched in sessions with it, and met nowhere else."""

from dataclasses import replace

import pytest

from conversation_engine.domains.personas.types import ClientProfile, Persona
from conversation_engine.domains.retrieval.errors import CollectionForbiddenError, CollectionNotFoundError
from conversation_engine.domains.retrieval.types import CollectionId, RetrievalOptions
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Say, ScriptedModel, WordEmbedder
from conversation_engine.turns.types import NewTurn, TurnDetail
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, MARIA, ROOT, TESS, THEO, client_of
from tests.retrieval.scenes import add, collection, found, rows

ILLNESS = "The doctor found high blood pressure in Maria last spring."
QUESTION = "What did the doctor find, blood pressure?"


async def file_of(
    engine: ConversationEngine, owner: Principal, name: str = "file", text: str = ILLNESS
) -> CollectionId:
    """A collection with one document."""
    made = await collection(engine, name, caller=owner)
    await add(engine, text, caller=owner, name=f"{name}.md", collection_id=made)
    return made


def knowing(*collection_ids: str, profile: ClientProfile = MARIA) -> ClientProfile:
    return replace(profile, collection_ids=tuple(sorted(collection_ids)))


async def told(engine: ConversationEngine, session: ConversationId, question: str = QUESTION) -> TurnDetail:
    """What becomes of a question of Ada's."""
    new = NewTurn(conversation_id=session, owner_id=ADA.user_id, role=Role.STUDENT, content=question)
    return await engine.turns.wait(await engine.turns.submit(new))


async def begun(engine: ConversationEngine, persona: Persona) -> ConversationId:
    return (await engine.sessions.start_conversation(ADA, persona.id)).id


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
async def engine(open_engine: OpenEngine, model: ScriptedModel) -> ConversationEngine:
    return await open_engine(model, embedder=WordEmbedder(dimensions=256))


class TestASession:
    async def test_the_client_is_told_what_the_teachers_documents_say_and_to_stay_in_role(
        self, engine: ConversationEngine, model: ScriptedModel
    ) -> None:
        file = await file_of(engine, TESS)
        session = await begun(engine, await client_of(engine, profile=knowing(file)))
        model.then(Say("My blood pressure. Nothing much."))
        detail = await told(engine, session)
        shown = model.requests[0].messages[-1].content
        assert ILLNESS in shown
        assert "the person you play" in shown
        assert "[1]" not in shown
        assert shown.endswith(f"They say: {QUESTION}")
        assert detail.reply is not None
        assert detail.reply.metadata["search_results"]
        assert "last spring" not in str(detail.reply.metadata)
        assert await engine.rag.sources(detail) == []
        await self._nowhere_else(engine, session, file)
        assert len(model.requests) == 1

    async def _nowhere_else(self, engine: ConversationEngine, session: ConversationId, file: CollectionId) -> None:
        """Students meet what their clients know in no other way."""
        assert await found(engine, QUESTION, caller=ADA) == []
        with pytest.raises(CollectionForbiddenError):
            await found(engine, QUESTION, caller=ADA, collection_ids=[file])
        with pytest.raises(CollectionForbiddenError):
            await engine.rag.attach(session, [file], caller=ADA)
        for ids in (None, (file,)):
            asked = NewTurn(
                conversation_id=session,
                owner_id=ADA.user_id,
                role=Role.STUDENT,
                content=QUESTION,
                retrieval=RetrievalOptions(collection_ids=ids),
            )
            detail = await engine.rag.wait(await engine.rag.ask(asked))
            assert detail.reply is not None
            assert detail.reply.metadata["search_results"] == []

    async def test_a_client_that_knows_nothing_looks_nothing_up(
        self, engine: ConversationEngine, model: ScriptedModel
    ) -> None:
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        assert not session.has_loans
        detail = await told(engine, session.id)
        assert detail.reply is not None
        assert "search_results" not in detail.reply.metadata
        assert model.requests[0].messages[-1].content == QUESTION

    async def test_what_the_student_attached_is_searched_beside_it(
        self, engine: ConversationEngine, model: ScriptedModel
    ) -> None:
        file = await file_of(engine, TESS)
        own = await file_of(engine, ADA, "own", "Blood pressure is what a doctor measures with a cuff.")
        await file_of(engine, ADA, "other", "Blood pressure and the doctor, not attached.")
        session = await begun(engine, await client_of(engine, profile=knowing(file)))
        await engine.rag.attach(session, [own], caller=ADA)
        detail = await told(engine, session)
        assert detail.reply is not None
        assert {hit["collection_id"] for hit in detail.reply.metadata["search_results"]} == {file, own}

    async def test_it_keeps_the_version_that_it_began_with(
        self, engine: ConversationEngine, model: ScriptedModel
    ) -> None:
        first = await file_of(engine, TESS)
        second = await file_of(engine, TESS, "second", "The doctor took it all back: blood pressure is fine.")
        persona = await client_of(engine, profile=knowing(first))
        session = await begun(engine, persona)
        await engine.personas.edit(TESS, persona.id, knowing(second))
        detail = await told(engine, session)
        assert detail.reply is not None
        assert {hit["collection_id"] for hit in detail.reply.metadata["search_results"]} == {first}
        profiles = [version.profile for version in await engine.personas.versions(TESS, persona.id)]
        assert [profile.collection_ids for profile in profiles] == [(second,), (first,)]


class TestWhatMayBeLent:
    async def test_only_what_the_teacher_may_read(self, engine: ConversationEngine) -> None:
        foreign = await collection(engine, "file", caller=THEO)
        with pytest.raises(CollectionForbiddenError):
            await engine.personas.create(TESS, knowing(foreign))
        persona = await client_of(engine)
        for bad, reason in ((foreign, CollectionForbiddenError), (new_id(), CollectionNotFoundError)):
            with pytest.raises(reason):
                await engine.personas.edit(TESS, persona.id, knowing(bad))
        for ids in (("no id",), tuple(new_id() for _ in range(21))):
            with pytest.raises(InvalidInputError):
                await engine.personas.edit(TESS, persona.id, replace(MARIA, collection_ids=ids))
        assert (await engine.personas.get(TESS, persona.id)).version == 1
        assert await rows(engine, "collection_loans") == 0

    async def test_what_a_client_has_stays_with_who_gave_it(self, engine: ConversationEngine) -> None:
        persona = await client_of(engine)
        of_root = await file_of(engine, ROOT)
        await engine.personas.edit(ROOT, persona.id, knowing(of_root))
        edited = await engine.personas.edit(TESS, persona.id, replace(knowing(of_root), age=50))
        assert edited.profile.collection_ids == (of_root,)
        detail = await told(engine, await begun(engine, edited))
        assert detail.reply is not None
        assert {hit["collection_id"] for hit in detail.reply.metadata["search_results"]} == {of_root}

    async def test_what_the_lender_may_not_read_any_more_is_not_searched_any_more(
        self, engine: ConversationEngine
    ) -> None:
        shared = await file_of(engine, THEO)
        await engine.retrieval.change_collection(shared, caller=THEO, is_shared=True)
        session = await begun(engine, await client_of(engine, profile=knowing(shared)))
        first = await told(engine, session)
        await engine.retrieval.change_collection(shared, caller=THEO, is_shared=False)
        second = await told(engine, session)
        assert first.reply is not None
        assert second.reply is not None
        assert first.reply.metadata["search_results"]
        assert second.reply.metadata["search_results"] == []


class TestGone:
    async def test_a_deleted_collection_leaves_nothing_behind(self, engine: ConversationEngine) -> None:
        file = await collection(engine, "file", caller=TESS)
        persona = await client_of(engine, profile=knowing(file))
        session = await begun(engine, persona)
        await engine.retrieval.delete_collection(file, caller=TESS)
        assert (await engine.personas.get(TESS, persona.id)).profile == MARIA
        assert (await engine.personas.edit(TESS, persona.id, MARIA)).version == 1, "it is no change any more"
        assert await rows(engine, "collection_loans") == 0
        detail = await told(engine, session)
        assert detail.reply is not None
        assert detail.reply.content

    async def test_who_is_erased_lends_nothing_and_an_export_says_what_one_lent(
        self, engine: ConversationEngine
    ) -> None:
        shared = await collection(engine, "file", caller=THEO, is_shared=True)
        persona = await client_of(engine, THEO)
        await engine.personas.edit(ROOT, persona.id, knowing(shared))
        _, kept = await engine.records.export(ROOT, ROOT.user_id)
        [loan] = kept["collection_loans"]
        assert (loan["collection_id"], loan["lender_id"]) == (shared, "root")
        await engine.records.erase(ROOT, ROOT.user_id)
        assert await rows(engine, "collection_loans") == 0
        assert (await engine.personas.get(THEO, persona.id)).profile == MARIA
