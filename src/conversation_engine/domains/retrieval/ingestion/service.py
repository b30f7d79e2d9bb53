"""The jobs that read, index, embed and wipe. Each may be begun again at any time and goes on where it stood.

A file is read once, in a process of its own; its passages are written a few hundred at a time, and from then on they
are found by their words. The file is forgotten; then passages without a vector are embedded, batch by batch. A batch
is one short transaction, so turns never wait long for the one writer of SQLite.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.retrieval.index.ports import SearchIndex
from conversation_engine.domains.retrieval.parsing.outcome import OUR_FAULT, Parsed, document_error
from conversation_engine.domains.retrieval.parsing.process import DocumentParser
from conversation_engine.domains.retrieval.repo import ChunkRepo, CollectionRepo, DocumentRepo, with_heading
from conversation_engine.domains.retrieval.types import (
    CollectionId,
    Document,
    DocumentError,
    DocumentId,
    DocumentStatus,
    NewChunk,
)
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.types import Job, NewJob
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.words.terms import terms_of
from conversation_engine.kernel.clock import Clock

INGEST: Final = "ingest_document"
REEMBED: Final = "embed_collection"
SCRUB: Final = "scrub_index"
CHUNKS_AT_ONCE: Final = 100
EMBEDDED_AT_ONCE: Final = 32
NOT_EMBEDDED: Final = "document_not_embedded"
_log = get_logger(__name__)


def ingest_job(document_id: DocumentId) -> NewJob:
    """Read, index and embed a document, as far as that is not done."""
    return NewJob(kind=INGEST, key=document_id, payload={})


SCRUB_JOB: Final = NewJob(kind=SCRUB, key="index", payload={})
"""Wipe what deleted passages left in the index and in the log of changes."""


class IngestDocument:
    """A `JobHandler`."""

    def __init__(
        self,
        database: Database,
        *,
        index: SearchIndex,
        embeddings: EmbeddingService,
        parser: DocumentParser,
        clock: Clock,
    ) -> None:
        self._database = database
        self._index = index
        self._embeddings = embeddings
        self._parser = parser
        self._clock = clock
        self._collections = CollectionRepo()
        self._documents = DocumentRepo()
        self._chunks = ChunkRepo()

    async def __call__(self, job: Job) -> None:
        document_id = DocumentId(job.key)
        document = await self._database.read(lambda tx: self._documents.find(tx, document_id))
        if document is None or document.status in (DocumentStatus.UPLOADING, DocumentStatus.FAILED):
            return
        if document.status is not DocumentStatus.READY and not await self._read(document):
            return
        await self._embed(document)
        await self._set(document_id, DocumentStatus.READY)

    async def give_up(self, job: Job, error_code: str) -> None:
        document_id = DocumentId(job.key)
        document = await self._database.read(lambda tx: self._documents.find(tx, document_id))
        if document is None:
            return
        is_readable = document.chunk_count and not await self._database.read(
            lambda tx: self._documents.content(tx, document_id)
        )
        if is_readable:  # it can be found by its words
            await self._set(document_id, DocumentStatus.READY, document_error(NOT_EMBEDDED))
        else:
            await self._fail(document_id, document_error(OUR_FAULT))

    async def _read(self, document: Document) -> bool:
        """Write its passages, if that was not done; whether there are any."""
        content = await self._database.read(lambda tx: self._documents.content(tx, document.id))
        if not content and document.chunk_count:
            return True
        await self._set(document.id, DocumentStatus.PROCESSING)
        parsed = await self._parser.parse(content, name=document.name)
        if isinstance(parsed, DocumentError):
            await self._fail(document.id, parsed)
            return False
        await self._write(document.id, parsed)
        return True

    async def _write(self, document_id: DocumentId, parsed: Parsed) -> None:
        start = await self._database.read(lambda tx: self._chunks.next_ordinal(tx, document_id))
        for place in range(start, len(parsed.chunks), CHUNKS_AT_ONCE):
            batch = parsed.chunks[place : place + CHUNKS_AT_ONCE]
            terms = await asyncio.to_thread(_terms, batch)
            await self._database.write(
                lambda tx, batch=batch, terms=terms: self._insert(tx, document_id, batch, terms)  # type: ignore[misc]
            )

        def finish(tx: Tx) -> None:
            self._documents.set_parsed(tx, document_id, media_type=parsed.media_type, page_count=parsed.page_count)
            self._documents.delete_content(tx, document_id)

        await self._database.write(finish)

    def _insert(
        self, tx: Tx, document_id: DocumentId, chunks: Sequence[NewChunk], terms: Sequence[Sequence[str]]
    ) -> None:
        number = self._documents.collection_number(tx, document_id)
        if number is None or self._chunks.next_ordinal(tx, document_id) != chunks[0].ordinal:
            return  # it was deleted, or another process does the same
        words = Counter(term for own in terms for term in set(own))
        self._collections.count(tx, number, chunks=len(chunks), terms=sum(map(len, terms)), words=words)
        stored = [(self._index.stored_terms(number, own), len(own)) for own in terms]
        self._chunks.insert(tx, document_id, chunks, collection_number=number, terms=stored)
        self._documents.add_counts(tx, document_id, chunks=len(chunks))

    async def _embed(self, document: Document) -> None:
        document_id = document.id
        if self._embeddings.model is None or not self._index.knows_vectors:
            return
        while batch := await self._database.read(
            lambda tx: self._chunks.list_unembedded(tx, document_id, count=EMBEDDED_AT_ONCE)
        ):
            vectors = await self._embeddings.passages([text for _, text in batch], owner_id=document.owner_id)
            pairs = [(number, vector) for (number, _), vector in zip(batch, vectors, strict=True)]
            if not await self._database.write(
                lambda tx, pairs=pairs: self._keep(tx, document_id, pairs)  # type: ignore[misc]
            ):
                return

    def _keep(self, tx: Tx, document_id: DocumentId, vectors: Sequence[tuple[int, Vector]]) -> bool:
        number, model = self._documents.collection_number(tx, document_id), self._embeddings.model
        document = self._documents.find(tx, document_id)
        if number is None or document is None or model is None:
            return False
        collection = self._collections.find(tx, document.collection_id)
        dimensions = len(vectors[0][1]) // 4
        if collection is None or collection.embedding_model not in (None, model):
            return False  # it is embedded anew soon: see `EmbedCollection`
        if collection.embedding_dimensions != dimensions:
            self._collections.update(tx, collection.id, embedding_model=model, embedding_dimensions=dimensions)
            self._index.prepare_vectors(tx, dimensions=dimensions)
        kept = self._chunks.insert_vectors(tx, document_id, number, vectors)
        self._documents.add_counts(tx, document_id, embedded=kept)
        return True

    async def _set(self, document_id: DocumentId, status: DocumentStatus, error: DocumentError | None = None) -> None:
        now = self._clock.now()
        await self._database.write(lambda tx: self._documents.set_status(tx, document_id, status, error=error, at=now))

    async def _fail(self, document_id: DocumentId, error: DocumentError) -> None:
        _log.info("document.failed", document_id=document_id, error=error.code)

        def work(tx: Tx) -> None:
            self._documents.set_status(tx, document_id, DocumentStatus.FAILED, error=error, at=self._clock.now())
            self._documents.delete_content(tx, document_id)

        await self._database.write(work)


class EmbedCollection:
    """A `JobHandler`: the embedding model is another one now, so every passage is embedded anew."""

    def __init__(self, database: Database, *, embeddings: EmbeddingService, jobs: JobQueue) -> None:
        self._database = database
        self._embeddings = embeddings
        self._jobs = jobs
        self._collections = CollectionRepo()
        self._chunks = ChunkRepo()

    async def __call__(self, job: Job) -> None:
        await self._database.write(lambda tx: self._begin(tx, CollectionId(job.key)))
        self._jobs.wake()

    async def give_up(self, job: Job, error_code: str) -> None:
        return None  # its passages are found by their words, and the next start tries again

    def _begin(self, tx: Tx, collection_id: CollectionId) -> None:
        collection, model = self._collections.find(tx, collection_id), self._embeddings.model
        if collection is None or model is None or collection.embedding_model == model:
            return
        documents = self._chunks.delete_vectors(tx, collection_id)
        self._collections.forget_vectors(tx, collection_id, model=model)
        for document_id in documents:
            self._jobs.enqueue(tx, ingest_job(document_id))


def _terms(chunks: Sequence[NewChunk]) -> list[list[str]]:
    return [terms_of(with_heading(chunk.heading, chunk.text)) for chunk in chunks]
