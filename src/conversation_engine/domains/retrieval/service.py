"""What one can do with documents and collections, and the door to searching them."""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.retrieval.errors import (
    CollectionForbiddenError,
    CollectionNameTakenError,
    CollectionNotFoundError,
    DocumentForbiddenError,
    DocumentNotFoundError,
    PassageNotFoundError,
    SharingForbiddenError,
)
from conversation_engine.domains.retrieval.index.ports import WORD_INDEX, SearchIndex
from conversation_engine.domains.retrieval.ingestion.service import (
    INGEST,
    REEMBED,
    SCRUB,
    SCRUB_JOB,
    EmbedCollection,
    IngestDocument,
    ingest_job,
)
from conversation_engine.domains.retrieval.parsing.outcome import TOO_LARGE, document_error
from conversation_engine.domains.retrieval.parsing.process import DocumentParser
from conversation_engine.domains.retrieval.repo import ChunkRepo, CollectionRepo, DocumentRepo
from conversation_engine.domains.retrieval.search import Searcher
from conversation_engine.domains.retrieval.settings import RetrievalSettings
from conversation_engine.domains.retrieval.types import (
    DEFAULT_COLLECTION,
    Chunk,
    Collection,
    CollectionId,
    Document,
    DocumentFilter,
    DocumentId,
    DocumentStatus,
    JsonObject,
    NewCollection,
    NewDocument,
    Passage,
    SearchOutcome,
    SearchRequest,
    Uploaded,
)
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.types import NewJob
from conversation_engine.infra.jobs.wiping import Wiper
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import UserId, parse_id
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.kernel.text import checked_text

NAME_LIMIT_CHARACTERS: Final = 200
METADATA_LIMIT_CHARACTERS: Final = 10_000
PART_BYTES: Final = 1_000_000
"""A file is stored in pieces: one of 25 MB would keep every turn waiting behind it."""
MOST_PER_PAGE: Final = 200
UNFINISHED_HOURS: Final = 24
_KEY = re.compile(r"[\w.-]{1,64}")


class RetrievalService:
    """The door to documents. `start` before use.

    Owners change what is theirs; everybody reads shared collections; administrators may remove any shared one. All
    methods raise InvalidIdError for what is no id, …NotFoundError for an unknown one, …ForbiddenError for a stranger's.
    """

    def __init__(
        self,
        database: Database,
        *,
        index: SearchIndex,
        embeddings: EmbeddingService,
        jobs: JobQueue,
        clock: Clock,
        settings: RetrievalSettings,
        recorder: Recorder = SILENCE,
    ) -> None:
        self._database = database
        self._index = index
        self._embeddings = embeddings
        self._jobs = jobs
        self._clock = clock
        self._collections = CollectionRepo()
        self._documents = DocumentRepo()
        self._chunks = ChunkRepo()
        self._searcher = Searcher(database, index=index, embeddings=embeddings, clock=clock, recorder=recorder)
        self.settings = settings
        parser = DocumentParser(settings)
        ingest = IngestDocument(database, index=index, embeddings=embeddings, parser=parser, clock=clock)
        jobs.register(INGEST, ingest)
        jobs.register(REEMBED, EmbedCollection(database, embeddings=embeddings, jobs=jobs))
        jobs.register(SCRUB, Wiper(database, only=WORD_INDEX))

    async def start(self) -> None:
        """Find out what the database can do; have passages embedded anew whose model is not today's."""
        await self._database.migrate(self._index.prepare)
        model = self._embeddings.model
        stale: Sequence[CollectionId] = []
        if model is not None and self._index.knows_vectors:
            stale = await self._database.read(lambda tx: self._collections.list_with_other_model(tx, model))
        before = self._clock.now() - timedelta(hours=UNFINISHED_HOURS)

        def work(tx: Tx) -> None:
            self._documents.delete_unfinished(tx, before=before)
            for collection_id in stale:
                self._jobs.enqueue(tx, NewJob(kind=REEMBED, key=collection_id, payload={}))

        await self._database.write(work)

    # ── collections ──

    async def create_collection(self, new: NewCollection, *, caller: Principal) -> Collection:
        """An empty collection. Raises SharingForbiddenError, CollectionNameTakenError, InvalidTextError."""
        checked = NewCollection(
            name=_checked_name(new.name), is_shared=new.is_shared, metadata=checked_metadata(new.metadata)
        )
        if new.is_shared:
            _check_may_share(caller)
        collection_id = CollectionId(new_id())

        def work(tx: Tx) -> Collection:
            now = self._clock.now()
            self._collections.insert(tx, collection_id, checked, owner_id=caller.user_id, at=now)
            return self.readable(tx, collection_id, caller.user_id)

        try:
            return await self._database.write(work)
        except ConstraintViolation as error:
            raise CollectionNameTakenError(new.name) from error

    async def get_collection(self, collection_id: str, *, caller: Principal) -> Collection:
        """One that the caller may read."""
        return await self._database.read(lambda tx: self.readable(tx, collection_id, caller.user_id))

    async def list_collections(
        self, *, caller: Principal, cursor: str | None = None, limit: int = 50
    ) -> Page[Collection]:
        """The caller's own and the shared ones, newest first. One statement."""
        at, limit = _at(cursor), _checked_limit(limit)
        rows = await self._database.read(
            lambda tx: self._collections.list_readable(tx, caller.user_id, cursor=at, count=limit + 1)
        )
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def change_collection(
        self,
        collection_id: str,
        *,
        caller: Principal,
        name: str | None = None,
        is_shared: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Collection:
        """Change what is not `None`. Raises SharingForbiddenError, CollectionNameTakenError."""
        values: dict[str, object] = {"updated_at": self._clock.now()}
        if name is not None:
            values["name"] = _checked_name(name)
        if metadata is not None:
            values["metadata"] = checked_metadata(metadata)
        if is_shared is not None:
            values["is_shared"] = is_shared
        if is_shared:
            _check_may_share(caller)

        def work(tx: Tx) -> Collection:
            collection = self._changeable(tx, collection_id, caller)
            self._collections.update(tx, collection.id, **values)
            return self.readable(tx, collection.id, caller.user_id)

        try:
            return await self._database.write(work)
        except ConstraintViolation as error:
            raise CollectionNameTakenError(name or "") from error

    async def delete_collection(self, collection_id: str, *, caller: Principal) -> None:
        """Remove it with its documents, passages and vectors; what the index still holds is wiped soon after."""

        def work(tx: Tx) -> None:
            self._collections.delete(tx, self._changeable(tx, collection_id, caller).id)
            self._jobs.enqueue(tx, SCRUB_JOB)

        await self._database.write(work)
        self._jobs.wake()

    # ── documents ──

    async def add(self, new: NewDocument, *, caller: Principal) -> Uploaded:
        """Keep a file and have it read in the background. The same bytes in one collection are one document.

        What is wrong with the file itself shows in the document's status, never as an error here.
        """
        name = checked_text(new.name, name="file name", limit_characters=255)
        metadata = checked_metadata(new.metadata)
        digest = (await asyncio.to_thread(hashlib.sha256, new.content)).hexdigest()
        collection_id = await self._collection_to_fill(new.collection_id, caller)
        known = await self._database.write(lambda tx: self._find_same(tx, collection_id, digest))
        if known is not None:
            return Uploaded(document=known, is_new=False)
        now = self._clock.now()
        document = Document(
            id=DocumentId(new_id()),
            collection_id=collection_id,
            owner_id=caller.user_id,
            name=name,
            media_type="application/octet-stream",
            size_bytes=len(new.content),
            content_hash=digest,
            status=DocumentStatus.FAILED if new.is_cut else DocumentStatus.UPLOADING,
            error=document_error(TOO_LARGE) if new.is_cut else None,
            metadata=metadata,
            page_count=None,
            chunk_count=0,
            embedded_count=0,
            created_at=now,
            updated_at=now,
        )
        try:
            await self._keep(document, b"" if new.is_cut else new.content)
        except ConstraintViolation:  # the same file came twice at once
            twin = await self._database.read(lambda tx: self._documents.find_same(tx, collection_id, digest))
            if twin is None:
                raise
            return Uploaded(document=twin, is_new=False)
        return Uploaded(document=await self.get(document.id, caller=caller), is_new=True)

    async def get(self, document_id: str, *, caller: Principal) -> Document:
        """One document and how far it is."""
        return await self._database.read(lambda tx: self._readable_document(tx, document_id, caller.user_id))

    async def list_of(
        self, wanted: DocumentFilter, *, caller: Principal, cursor: str | None = None, limit: int = 50
    ) -> Page[Document]:
        """The caller's documents, or those of a collection that the caller may read; newest first."""
        at, limit = _at(cursor), _checked_limit(limit)

        def work(tx: Tx) -> Sequence[Document]:
            if wanted.collection_id is not None:
                self.readable(tx, wanted.collection_id, caller.user_id)
            return self._documents.list_of(tx, caller.user_id, wanted, cursor=at, count=limit + 1)

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def delete(self, document_id: str, *, caller: Principal) -> None:
        """Remove it with its passages and vectors; what the index still holds of its words is wiped soon after."""

        def work(tx: Tx) -> None:
            document = self._readable_document(tx, document_id, caller.user_id)
            self._changeable(tx, document.collection_id, caller)
            self._remove(tx, document.id)
            self._jobs.enqueue(tx, SCRUB_JOB)

        await self._database.write(work)
        self._jobs.wake()

    async def passage(self, document_id: str, ordinal: int, *, caller: Principal) -> Passage:
        """A passage with the ones before and after it. Raises PassageNotFoundError."""

        def work(tx: Tx) -> Passage:
            document = self._readable_document(tx, document_id, caller.user_id)
            found = {
                chunk.ordinal: chunk
                for chunk in self._chunks.find(tx, document.id, [ordinal - 1, ordinal, ordinal + 1])
            }
            if ordinal not in found:
                raise PassageNotFoundError(document.id, ordinal)
            before, after = found.get(ordinal - 1), found.get(ordinal + 1)
            return Passage(
                chunk=found[ordinal], before=before.text if before else "", after=after.text if after else ""
            )

        return await self._database.read(work)

    async def search(self, request: SearchRequest) -> SearchOutcome:
        """Passages that answer a question, best first, of what the caller may read and nothing else.

        Raises EmbeddingsOffError where only meaning is to count and there is no model for it, InvalidInputError.
        """
        for key in request.metadata:
            if not _KEY.fullmatch(key):
                raise InvalidInputError(f"{key!r} is no metadata key: letters, digits, `_`, `.` and `-`.", field=key)
        request = replace(request, borrower=None)
        if request.collection_ids is not None:
            wanted = request.collection_ids
            await self._database.read(
                lambda tx: [self.readable(tx, collection_id, request.caller.user_id) for collection_id in wanted]
            )
        return await self._searcher.search(request)

    async def find(self, request: SearchRequest) -> SearchOutcome:
        """The same for a conversation: named collections that are gone, or not to be read any more, are left out."""
        return await self._searcher.search(request)

    async def passages(self, chunk_ids: Sequence[str], *, reader_id: UserId) -> Sequence[Chunk]:
        """Passages by the ids that hits have, in that order, of those still there and to be read. One statement."""
        places = [(document_id, int(ordinal)) for document_id, _, ordinal in (one.partition(":") for one in chunk_ids)]
        found = await self._database.read(lambda tx: self._chunks.find_readable(tx, reader_id, places))
        by_id = {chunk.id: chunk for chunk in found}
        return [by_id[one] for one in chunk_ids if one in by_id]

    # ── for other rooms: these join the caller's transaction ──

    def readable(self, tx: Tx, collection_id: str, reader_id: UserId) -> Collection:
        """The collection, if it is the reader's or shared."""
        found = self._collections.find(tx, CollectionId(parse_id(collection_id)))
        if found is None:
            raise CollectionNotFoundError(collection_id)
        if found.owner_id != reader_id and not found.is_shared:
            raise CollectionForbiddenError(collection_id)
        return found

    def erase_owner(self, tx: Tx, owner_id: UserId) -> int:
        """Remove all collections of a user with all that is in them; how many. Call `JobQueue.wake` then."""
        removed = self._collections.delete_of(tx, owner_id)
        if removed:
            self._jobs.enqueue(tx, SCRUB_JOB)
        return removed

    # ── inside ──

    async def _keep(self, document: Document, content: bytes) -> None:
        if document.status is DocumentStatus.FAILED:
            await self._database.write(lambda tx: self._documents.insert(tx, document))
            return
        parts = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]

        def begin(tx: Tx) -> None:
            self._documents.insert(tx, document)
            if len(parts) <= 1:
                finish(tx)

        def finish(tx: Tx) -> None:
            if parts:
                self._documents.insert_part(tx, document.id, part=len(parts) - 1, content=parts[-1])
            now = self._clock.now()
            self._documents.set_status(tx, document.id, DocumentStatus.QUEUED, error=None, at=now)
            self._jobs.enqueue(tx, ingest_job(document.id))

        await self._database.write(begin)
        for number, part in enumerate(parts[:-1]):
            await self._database.write(
                lambda tx, number=number, part=part: self._documents.insert_part(  # type: ignore[misc]
                    tx, document.id, part=number, content=part
                )
            )
        if len(parts) > 1:
            await self._database.write(finish)
        self._jobs.wake()

    def _find_same(self, tx: Tx, collection_id: CollectionId, digest: str) -> Document | None:
        """The document with these bytes; one that failed, or whose upload ended midway, makes place for a new try."""
        known = self._documents.find_same(tx, collection_id, digest)
        if known is None or known.status not in (DocumentStatus.FAILED, DocumentStatus.UPLOADING):
            return known
        self._remove(tx, known.id)
        return None

    def _remove(self, tx: Tx, document_id: DocumentId) -> None:
        number = self._documents.collection_number(tx, document_id)
        if number is None:
            return
        words = self._index.terms_in(tx, document_id)
        chunks, terms = self._chunks.count_terms(tx, document_id)
        for word in words:
            words[word] = -words[word]
        self._collections.count(tx, number, chunks=-chunks, terms=-terms, words=words)
        self._documents.delete(tx, document_id)
        self._jobs.forget(tx, kind=INGEST, keys=[document_id])

    async def _collection_to_fill(self, collection_id: CollectionId | None, caller: Principal) -> CollectionId:
        if collection_id is not None:
            return (await self._database.read(lambda tx: self._changeable(tx, collection_id, caller))).id
        found = await self._database.read(
            lambda tx: self._collections.find_named(tx, caller.user_id, DEFAULT_COLLECTION)
        )
        if found is None:
            try:
                found = await self.create_collection(NewCollection(name=DEFAULT_COLLECTION), caller=caller)
            except CollectionNameTakenError:  # somebody was faster
                return await self._collection_to_fill(None, caller)
        return found.id

    def _changeable(self, tx: Tx, collection_id: str, caller: Principal) -> Collection:
        collection = self.readable(tx, collection_id, caller.user_id)
        if collection.owner_id != caller.user_id and caller.role is not Role.ADMIN:
            raise CollectionForbiddenError(collection_id)
        return collection

    def _readable_document(self, tx: Tx, document_id: str, reader_id: UserId) -> Document:
        document = self._documents.find(tx, DocumentId(parse_id(document_id)))
        if document is None:
            raise DocumentNotFoundError(document_id)
        try:
            self.readable(tx, document.collection_id, reader_id)
        except CollectionForbiddenError as error:
            raise DocumentForbiddenError(document_id) from error
        return document


def checked_metadata(metadata: Mapping[str, Any]) -> JsonObject:
    """A copy of `metadata`. Raises InvalidInputError if it cannot be kept."""
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError("The metadata is not plain JSON.", field="metadata") from error
    checked_text(text.replace("\\u0000", "\x00"), name="metadata", limit_characters=METADATA_LIMIT_CHARACTERS)
    copied: JsonObject = json.loads(text)
    return copied


def _checked_name(name: str) -> str:
    return checked_text(name, name="name", limit_characters=NAME_LIMIT_CHARACTERS)


def _check_may_share(caller: Principal) -> None:
    if caller.role is Role.STUDENT:
        raise SharingForbiddenError


def _at(cursor: str | None) -> Cursor | None:
    return None if cursor is None else Cursor.decode(cursor, types=(UUID,))


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidInputError(f"`limit` is {limit}; it must be between 1 and {MOST_PER_PAGE}.", field="limit")
    return limit
