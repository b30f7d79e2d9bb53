"""Documents and collections: what is kept, who may see it, what becomes of it."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.retrieval.errors import (
    CollectionForbiddenError,
    CollectionNameTakenError,
    CollectionNotFoundError,
    DocumentForbiddenError,
    DocumentNotFoundError,
    PassageNotFoundError,
    SharingForbiddenError,
)
from conversation_engine.domains.retrieval.ingestion.service import INGEST
from conversation_engine.domains.retrieval.types import (
    DEFAULT_COLLECTION,
    CollectionId,
    DocumentFilter,
    DocumentStatus,
    NewCollection,
    NewDocument,
    Strategy,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.jobs.types import Job
from conversation_engine.kernel.ids import UserId
from conversation_engine.testing import WordEmbedder
from tests.retrieval.conftest import OpenLibrary
from tests.retrieval.scenes import ADA, ADMIN, BOB, TEACHER, add, collection, found, rows, search

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
LONG = "\n\n".join(f"# Part {number}\n\n" + f"Harbour number {number} has boats. " * 25 for number in range(250))


class TestAdd:
    async def test_a_document_is_read_and_can_be_found(self, engine: ConversationEngine) -> None:
        document = await add(engine, "# Sea\n\nBoats in the harbour.", metadata={"year": 1999})
        assert document.status is DocumentStatus.READY
        assert (document.media_type, document.chunk_count, document.embedded_count) == ("text/markdown", 1, 1)
        assert document.metadata == {"year": 1999}
        assert await found(engine, "harbour") == ["note.md"]
        assert await rows(engine, "upload_parts") == 0

    async def test_without_a_collection_it_goes_to_ones_own(self, engine: ConversationEngine) -> None:
        first, second = await add(engine, "one"), await add(engine, "two")
        assert first.collection_id == second.collection_id
        [own] = (await engine.retrieval.list_collections(caller=ADA)).items
        assert (own.name, own.document_count, own.chunk_count) == (DEFAULT_COLLECTION, 2, 2)
        assert (own.embedding_model, own.embedding_dimensions) == ("test/words", 32)

    async def test_the_same_bytes_are_the_same_document(self, engine: ConversationEngine) -> None:
        first = await add(engine, "boats")
        again = await engine.retrieval.add(NewDocument(name="other.md", content=b"boats"), caller=ADA)
        assert (again.is_new, again.document.id) == (False, first.id)
        elsewhere = await add(engine, "boats", caller=BOB)
        assert elsewhere.id != first.id

    async def test_many_at_once_of_the_same_file_are_one_document(self, engine: ConversationEngine) -> None:
        new = NewDocument(name="a.md", content=b"boats " * 10)
        uploads = await asyncio.gather(*(engine.retrieval.add(new, caller=ADA) for _ in range(8)))
        assert len({uploaded.document.id for uploaded in uploads}) == 1
        assert [uploaded.is_new for uploaded in uploads].count(True) == 1

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "document_empty"),
            (b"%PDF-1.4 broken", "document_unreadable"),
            (b"PK\x03\x04", "document_type_unsupported"),
        ],
        ids=["empty", "broken", "zip"],
    )
    async def test_a_bad_file_says_why_and_the_rest_goes_on(
        self, engine: ConversationEngine, content: bytes, code: str
    ) -> None:
        bad, good = await add(engine, content), await add(engine, "boats")
        assert bad.status is DocumentStatus.FAILED
        assert bad.error is not None
        assert bad.error.code == code
        assert bad.error.detail
        assert good.status is DocumentStatus.READY
        assert await rows(engine, "upload_parts") == 0

    async def test_a_file_over_the_limit_is_a_document_that_failed(self, engine: ConversationEngine) -> None:
        document = await add(engine, b"x" * 2000, is_cut=True)
        assert document.error is not None
        assert (document.status, document.error.code) == (DocumentStatus.FAILED, "document_too_large")

    async def test_a_failed_file_may_be_uploaded_again(self, engine: ConversationEngine) -> None:
        first, again = await add(engine, b"PK\x03\x04"), await add(engine, b"PK\x03\x04")
        assert first.id != again.id
        assert await rows(engine, "documents") == 1

    async def test_a_long_one_is_stored_in_parts_and_written_in_batches(self, engine: ConversationEngine) -> None:
        document = await add(engine, LONG + " " * 1_500_000)
        assert document.status is DocumentStatus.READY
        assert document.chunk_count == document.embedded_count == 250
        passage = await engine.retrieval.passage(document.id, 100, caller=ADA)
        assert passage.chunk.heading == "Part 100"
        assert (passage.before[:8], passage.after[:9]) == ("# Part 9", "# Part 10")

    async def test_nobody_fills_somebody_elses_collection(self, engine: ConversationEngine) -> None:
        private = await collection(engine, "private")
        shared = await collection(engine, "shared", caller=TEACHER, is_shared=True)
        for taken in (private, shared):
            with pytest.raises(CollectionForbiddenError):
                await engine.retrieval.add(NewDocument(name="a", content=b"a", collection_id=taken), caller=BOB)


class TestIngestion:
    async def test_embedding_goes_on_where_it_stood(self, open_library: OpenLibrary) -> None:
        engine = await open_library(_Tiring(after=64), jobs_at_once=0)
        uploaded = await engine.retrieval.add(NewDocument(name="long.md", content=LONG.encode()), caller=ADA)
        with pytest.raises(OverloadedError):
            await engine.jobs._handlers[INGEST](_job(uploaded.document.id))
        halfway = await engine.retrieval.get(uploaded.document.id, caller=ADA)
        assert (halfway.status, halfway.chunk_count, halfway.embedded_count) == (DocumentStatus.PROCESSING, 250, 64)
        other = WordEmbedder()
        second = await open_library(other)
        await second.jobs.drain()
        done = await second.retrieval.get(uploaded.document.id, caller=ADA)
        assert (done.status, done.embedded_count) == (DocumentStatus.READY, 250)
        assert len(other.passages) == 250 - 64

    async def test_writing_goes_on_where_it_stood(
        self, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = await open_library(jobs_at_once=0)
        uploaded = await engine.retrieval.add(NewDocument(name="long.md", content=LONG.encode()), caller=ADA)
        index, written = engine.retrieval._index, itertools.count(1)
        ordinary = index.stored_terms

        def breaking(number: int, terms: Sequence[str]) -> str:
            if next(written) > 120:
                raise RuntimeError
            return ordinary(number, terms)

        monkeypatch.setattr(index, "stored_terms", breaking)
        with pytest.raises(RuntimeError):
            await engine.jobs._handlers[INGEST](_job(uploaded.document.id))
        assert await rows(engine, "chunks") == 100
        assert len(await found(engine, "harbour", strategy=Strategy.LEXICAL)) == 10  # what is written is found already
        second = await open_library()
        await second.jobs.drain()
        assert (await second.retrieval.get(uploaded.document.id, caller=ADA)).status is DocumentStatus.READY
        assert await rows(second, "chunks") == 250

    async def test_a_service_that_is_away_for_good_leaves_it_to_be_found_by_words(
        self, open_library: OpenLibrary
    ) -> None:
        broken = WordEmbedder()
        broken.fail_with = OverloadedError()
        engine = await open_library(broken, jobs_at_once=0)
        uploaded = await engine.retrieval.add(NewDocument(name="a.md", content=b"boats"), caller=ADA)
        handler = engine.jobs._handlers[INGEST]
        with pytest.raises(OverloadedError):
            await handler(_job(uploaded.document.id))
        await handler.give_up(_job(uploaded.document.id), "model_overloaded")
        document = await engine.retrieval.get(uploaded.document.id, caller=ADA)
        assert document.error is not None
        assert (document.status, document.error.code) == (DocumentStatus.READY, "document_not_embedded")
        assert await found(engine, "boats") == ["a.md"]

    async def test_another_embedding_model_embeds_everything_anew(self, open_library: OpenLibrary) -> None:
        engine = await open_library(WordEmbedder())
        await add(engine, "boats in the harbour")
        await engine.aclose()
        wider = WordEmbedder(model="test/wider", dimensions=48)
        second = await open_library(wider)
        await second.jobs.drain()
        [own] = (await second.retrieval.list_collections(caller=ADA)).items
        assert (own.embedding_model, own.embedding_dimensions) == ("test/wider", 48)
        assert wider.passages == ["boats in the harbour"]
        [hit] = (await search(second, "boats in the harbour", strategy="dense")).hits
        assert hit.dense is not None
        assert hit.dense.score > 0.99

    async def test_what_is_deleted_while_it_is_read_stays_deleted(self, open_library: OpenLibrary) -> None:
        engine = await open_library(jobs_at_once=0)
        uploaded = await engine.retrieval.add(NewDocument(name="a.md", content=b"boats"), caller=ADA)
        await engine.retrieval.delete(uploaded.document.id, caller=ADA)
        await engine.jobs._handlers[INGEST](_job(uploaded.document.id))
        assert await rows(engine, "chunks") == 0


class TestReading:
    async def test_strangers_are_told_apart_from_unknown_ids(self, engine: ConversationEngine) -> None:
        document = await add(engine, "boats")
        retrieval = engine.retrieval
        for refused in (
            retrieval.get(document.id, caller=BOB),
            retrieval.delete(document.id, caller=BOB),
            retrieval.passage(document.id, 0, caller=BOB),
        ):
            with pytest.raises(DocumentForbiddenError):
                await refused
        with pytest.raises(DocumentNotFoundError):
            await retrieval.get(UNKNOWN, caller=ADA)
        with pytest.raises(CollectionForbiddenError):
            await retrieval.get_collection(document.collection_id, caller=BOB)
        with pytest.raises(CollectionNotFoundError):
            await retrieval.list_of(DocumentFilter(collection_id=CollectionId(UNKNOWN)), caller=ADA)
        with pytest.raises(PassageNotFoundError):
            await retrieval.passage(document.id, 1, caller=ADA)

    async def test_listing_pages_through_ones_own(self, engine: ConversationEngine) -> None:
        names = [(await add(engine, f"text {number}", name=f"{number}.md")).name for number in range(5)]
        await add(engine, "not Ada's", caller=BOB)
        seen, cursor = list[str](), None
        while True:
            page = await engine.retrieval.list_of(DocumentFilter(), caller=ADA, cursor=cursor, limit=2)
            seen += [document.name for document in page.items]
            if (cursor := page.next) is None:
                break
        assert seen == names[::-1]


class TestSharing:
    async def test_everybody_finds_what_a_teacher_shares(self, engine: ConversationEngine) -> None:
        shared = await collection(engine, "course", caller=TEACHER, is_shared=True)
        document = await add(engine, "tides and boats", caller=TEACHER, collection_id=shared)
        assert await found(engine, "tides", caller=BOB) == ["note.md"]
        assert (await engine.retrieval.passage(document.id, 0, caller=BOB)).chunk.text == "tides and boats"
        await engine.retrieval.change_collection(shared, caller=TEACHER, is_shared=False)
        assert await found(engine, "tides", caller=BOB) == []

    async def test_students_do_not_share(self, engine: ConversationEngine) -> None:
        own = await collection(engine, "mine")
        with pytest.raises(SharingForbiddenError):
            await engine.retrieval.create_collection(NewCollection(name="x", is_shared=True), caller=ADA)
        with pytest.raises(SharingForbiddenError):
            await engine.retrieval.change_collection(own, caller=ADA, is_shared=True)

    async def test_an_administrator_removes_what_is_shared_and_sees_nothing_private(
        self, engine: ConversationEngine
    ) -> None:
        private = await collection(engine, "private")
        shared = await collection(engine, "course", caller=TEACHER, is_shared=True)
        with pytest.raises(CollectionForbiddenError):
            await engine.retrieval.get_collection(private, caller=ADMIN)
        with pytest.raises(CollectionForbiddenError):
            await engine.retrieval.delete_collection(shared, caller=BOB)
        await engine.retrieval.delete_collection(shared, caller=ADMIN)
        with pytest.raises(CollectionNotFoundError):
            await engine.retrieval.get_collection(shared, caller=TEACHER)

    async def test_a_name_is_used_once(self, engine: ConversationEngine) -> None:
        first, _ = await collection(engine, "a"), await collection(engine, "b")
        with pytest.raises(CollectionNameTakenError):
            await collection(engine, "b")
        with pytest.raises(CollectionNameTakenError):
            await engine.retrieval.change_collection(first, caller=ADA, name="b")
        await collection(engine, "b", caller=BOB)


def _job(key: str) -> Job:
    return Job(id=UNKNOWN, kind=INGEST, key=key, payload={}, attempts=1, generation=1)


class _Tiring(WordEmbedder):
    """Answers until it has embedded so many, then no more."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self._after = after

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        if len(self.passages) >= self._after:
            raise OverloadedError
        return await super().embed_passages(texts, owner_id=owner_id)
