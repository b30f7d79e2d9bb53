"""Every query about collections, documents and passages but search itself, which is in `index/`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, insert, or_, select, update

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.retrieval.models import (
    ChunkModel,
    ChunkVectorModel,
    CollectionModel,
    DocumentModel,
    TermModel,
    UploadPartModel,
)
from conversation_engine.domains.retrieval.types import (
    Chunk,
    Collection,
    CollectionId,
    Document,
    DocumentError,
    DocumentFilter,
    DocumentId,
    DocumentStatus,
    NewChunk,
    NewCollection,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import upsert_into
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.paging import Cursor

_collections = CollectionModel.__table__
_documents = DocumentModel.__table__
_parts = UploadPartModel.__table__
_chunks = ChunkModel.__table__
_vectors = ChunkVectorModel.__table__
_terms = TermModel.__table__

_COUNTED = (
    select(func.count()).where(_documents.c.collection_number == _collections.c.number).correlate(_collections)
).scalar_subquery()
_COLLECTION: Select[Any] = select(*_collections.c, _COUNTED.label("document_count"))
_DOCUMENT: Select[Any] = select(*_documents.c, _collections.c.id.label("collection_id")).join(
    _collections, _collections.c.number == _documents.c.collection_number
)
_CHUNK: Select[Any] = (
    select(
        *_chunks.c,
        _documents.c.name,
        _documents.c.metadata.label("metadata"),
        _collections.c.id.label("collection_id"),
    )
    .join(_documents, _documents.c.id == _chunks.c.document_id)
    .join(_collections, _collections.c.number == _chunks.c.collection_number)
)


class CollectionRepo:
    """Rows of `collections` and `collection_terms`."""

    def insert(
        self, tx: Tx, collection_id: CollectionId, new: NewCollection, *, owner_id: UserId, at: datetime
    ) -> None:
        """Write an empty one. Raises ConstraintViolation when its owner has one of that name."""
        tx.execute(
            insert(_collections).values(
                id=collection_id,
                owner_id=owner_id,
                name=new.name,
                is_shared=new.is_shared,
                metadata=dict(new.metadata),
                chunk_count=0,
                term_count=0,
                removals=0,
                created_at=at,
                updated_at=at,
            )
        )

    def find(self, tx: Tx, collection_id: CollectionId) -> Collection | None:
        """Whosever it is."""
        row = tx.execute(_COLLECTION.where(_collections.c.id == collection_id)).first()
        return None if row is None else _collection(row)

    def find_named(self, tx: Tx, owner_id: UserId, name: str) -> Collection | None:
        """The owner's collection of that name."""
        row = tx.execute(_COLLECTION.where(_collections.c.owner_id == owner_id, _collections.c.name == name)).first()
        return None if row is None else _collection(row)

    def list_readable(self, tx: Tx, reader_id: UserId, *, cursor: Cursor | None, count: int) -> Sequence[Collection]:
        """The reader's own and the shared ones, newest first."""
        query = _COLLECTION.where((_collections.c.owner_id == reader_id) | _collections.c.is_shared)
        return [_collection(row) for row in tx.execute(_keyset(query, _collections.c.id, cursor, count))]

    def list_with_other_model(self, tx: Tx, model: str) -> Sequence[CollectionId]:
        """Collections with passages that `model` has not embedded."""
        other = (_collections.c.embedding_model.is_distinct_from(model), _collections.c.chunk_count > 0)
        return list(tx.scalars(select(_collections.c.id).where(*other)))

    def update(self, tx: Tx, collection_id: CollectionId, **values: object) -> None:
        """Set columns of one."""
        tx.execute(update(_collections).where(_collections.c.id == collection_id).values(**values))

    def forget_vectors(self, tx: Tx, collection_id: CollectionId, *, model: str) -> None:
        """Its vectors are gone; those to come are `model`'s."""
        values = {
            "embedding_model": model,
            "embedding_dimensions": None,
            "removals": _collections.c.removals + 1,
        }
        tx.execute(update(_collections).where(_collections.c.id == collection_id).values(**values))

    def delete(self, tx: Tx, collection_id: CollectionId) -> None:
        """Remove it and, by cascade, all that is in it."""
        tx.execute(delete(_collections).where(_collections.c.id == collection_id))

    def delete_of(self, tx: Tx, owner_id: UserId) -> int:
        """Remove all of an owner's; how many."""
        return tx.execute(delete(_collections).where(_collections.c.owner_id == owner_id)).rowcount

    def count(self, tx: Tx, number: int, *, chunks: int, terms: int, words: Counter[str]) -> None:
        """Add to its counts. Its row is changed first: who else counts in it waits, so nobody deadlocks."""
        values = {
            "chunk_count": _collections.c.chunk_count + chunks,
            "term_count": _collections.c.term_count + terms,
            "removals": _collections.c.removals + (1 if chunks < 0 else 0),
        }
        tx.execute(update(_collections).where(_collections.c.number == number).values(**values))
        if not words:
            return
        statement = upsert_into(tx, _terms)
        statement = statement.on_conflict_do_update(
            index_elements=["collection_number", "term"],
            set_={"chunk_count": _terms.c.chunk_count + statement.excluded.chunk_count},
        )
        rows = [{"collection_number": number, "term": term, "chunk_count": n} for term, n in sorted(words.items())]
        for start in range(0, len(rows), 5000):
            tx.execute(statement, rows[start : start + 5000])
        if chunks < 0:
            tx.execute(delete(_terms).where(_terms.c.collection_number == number, _terms.c.chunk_count <= 0))


class DocumentRepo:
    """Rows of `documents` and `upload_parts`."""

    def insert(self, tx: Tx, document: Document) -> None:
        """Write one. Raises ConstraintViolation when its collection has those bytes."""
        number = select(_collections.c.number).where(_collections.c.id == document.collection_id).scalar_subquery()
        tx.execute(
            insert(_documents).values(
                id=document.id,
                collection_number=number,
                owner_id=document.owner_id,
                name=document.name,
                media_type=document.media_type,
                size_bytes=document.size_bytes,
                content_hash=document.content_hash,
                status=document.status.value,
                error_code=document.error.code if document.error else None,
                error_detail=document.error.detail if document.error else None,
                metadata=document.metadata,
                chunk_count=0,
                embedded_count=0,
                created_at=document.created_at,
                updated_at=document.updated_at,
            )
        )

    def insert_part(self, tx: Tx, document_id: DocumentId, *, part: int, content: bytes) -> None:
        """Keep a piece of its file."""
        tx.execute(insert(_parts).values(document_id=document_id, part=part, content=content))

    def find(self, tx: Tx, document_id: DocumentId) -> Document | None:
        """Whosever it is."""
        row = tx.execute(_DOCUMENT.where(_documents.c.id == document_id)).first()
        return None if row is None else _document(row)

    def find_same(self, tx: Tx, collection_id: CollectionId, content_hash: str) -> Document | None:
        """The document of a collection with these bytes."""
        same = (_collections.c.id == collection_id, _documents.c.content_hash == content_hash)
        row = tx.execute(_DOCUMENT.where(*same)).first()
        return None if row is None else _document(row)

    def collection_number(self, tx: Tx, document_id: DocumentId) -> int | None:
        """The short name of its collection; `None` when the document is gone."""
        number: int | None = tx.scalar(select(_documents.c.collection_number).where(_documents.c.id == document_id))
        return number

    def list_of(
        self, tx: Tx, reader_id: UserId, wanted: DocumentFilter, *, cursor: Cursor | None, count: int
    ) -> Sequence[Document]:
        """What the reader may see, newest first: a collection's, or else the reader's own."""
        if wanted.collection_id is None:
            query = _DOCUMENT.where(_documents.c.owner_id == reader_id)
        else:
            query = _DOCUMENT.where(_collections.c.id == wanted.collection_id)
        if wanted.status is not None:
            query = query.where(_documents.c.status == wanted.status.value)
        return [_document(row) for row in tx.execute(_keyset(query, _documents.c.id, cursor, count))]

    def content(self, tx: Tx, document_id: DocumentId) -> bytes:
        """Its file, as far as it is kept."""
        query = select(_parts.c.content).where(_parts.c.document_id == document_id).order_by(_parts.c.part)
        return b"".join(tx.scalars(query))

    def delete_content(self, tx: Tx, document_id: DocumentId) -> None:
        """Its file was read, or never will be."""
        tx.execute(delete(_parts).where(_parts.c.document_id == document_id))

    def set_status(
        self, tx: Tx, document_id: DocumentId, status: DocumentStatus, *, error: DocumentError | None, at: datetime
    ) -> None:
        """Say how far it is."""
        values = {
            "status": status.value,
            "error_code": error.code if error else None,
            "error_detail": error.detail if error else None,
            "updated_at": at,
        }
        tx.execute(update(_documents).where(_documents.c.id == document_id).values(**values))

    def set_parsed(self, tx: Tx, document_id: DocumentId, *, media_type: str, page_count: int | None) -> None:
        """Say what it turned out to be."""
        values = {"media_type": media_type, "page_count": page_count}
        tx.execute(update(_documents).where(_documents.c.id == document_id).values(**values))

    def add_counts(self, tx: Tx, document_id: DocumentId, *, chunks: int = 0, embedded: int = 0) -> None:
        """Count its passages."""
        values = {
            "chunk_count": _documents.c.chunk_count + chunks,
            "embedded_count": _documents.c.embedded_count + embedded,
        }
        tx.execute(update(_documents).where(_documents.c.id == document_id).values(**values))

    def delete(self, tx: Tx, document_id: DocumentId) -> None:
        """Remove it and, by cascade, its passages and vectors."""
        tx.execute(delete(_documents).where(_documents.c.id == document_id))

    def delete_unfinished(self, tx: Tx, *, before: datetime) -> int:
        """Remove uploads that ended midway; how many."""
        stale = (_documents.c.status == DocumentStatus.UPLOADING.value, _documents.c.updated_at < before)
        return tx.execute(delete(_documents).where(*stale)).rowcount


class ChunkRepo:
    """Rows of `chunks` and `chunk_vectors`."""

    def insert(
        self,
        tx: Tx,
        document_id: DocumentId,
        chunks: Sequence[NewChunk],
        *,
        collection_number: int,
        terms: Sequence[tuple[str, int]],
    ) -> None:
        """Write passages, each with its terms as stored and how many these are."""
        rows = [
            {
                "collection_number": collection_number,
                "document_id": document_id,
                "ordinal": chunk.ordinal,
                "term_count": count,
                "start_offset": chunk.start_offset,
                "end_offset": chunk.end_offset,
                "page": chunk.page,
                "heading": chunk.heading,
                "text": chunk.text,
                "terms": stored,
            }
            for chunk, (stored, count) in zip(chunks, terms, strict=True)
        ]
        tx.execute(insert(_chunks), rows)

    def next_ordinal(self, tx: Tx, document_id: DocumentId) -> int:
        """How far writing its passages has come."""
        last = tx.scalar(select(func.max(_chunks.c.ordinal)).where(_chunks.c.document_id == document_id))
        return 0 if last is None else last + 1

    def count_terms(self, tx: Tx, document_id: DocumentId) -> tuple[int, int]:
        """Its passages, and their terms all together."""
        query = select(func.count(), func.coalesce(func.sum(_chunks.c.term_count), 0))
        chunks, terms = tx.execute(query.where(_chunks.c.document_id == document_id)).one()
        return int(chunks), int(terms)

    def list_unembedded(self, tx: Tx, document_id: DocumentId, *, count: int) -> Sequence[tuple[int, str]]:
        """Passages without a vector: their numbers, and what is to be embedded."""
        query = (
            select(_chunks.c.number, _chunks.c.heading, _chunks.c.text)
            .outerjoin(_vectors, _vectors.c.chunk_number == _chunks.c.number)
            .where(_chunks.c.document_id == document_id, _vectors.c.chunk_number.is_(None))
            .order_by(_chunks.c.ordinal)
            .limit(count)
        )
        return [(row.number, with_heading(row.heading, row.text)) for row in tx.execute(query)]

    def insert_vectors(
        self, tx: Tx, document_id: DocumentId, collection_number: int, vectors: Sequence[tuple[int, Vector]]
    ) -> int:
        """Write what passages mean, of those that are still there and have none; how many."""
        numbers = [number for number, _ in vectors]
        query = (
            select(_chunks.c.number)
            .outerjoin(_vectors, _vectors.c.chunk_number == _chunks.c.number)
            .where(_chunks.c.number.in_(numbers), _vectors.c.chunk_number.is_(None))
        )
        missing = set(tx.scalars(query))
        rows = [
            {"chunk_number": number, "collection_number": collection_number, "vector": vector}
            for number, vector in vectors
            if number in missing
        ]
        if rows:
            tx.execute(insert(_vectors), rows)
        return len(rows)

    def delete_vectors(self, tx: Tx, collection_id: CollectionId) -> Sequence[DocumentId]:
        """Forget what a collection's passages mean; the documents that are to be embedded anew."""
        number = select(_collections.c.number).where(_collections.c.id == collection_id).scalar_subquery()
        tx.execute(delete(_vectors).where(_vectors.c.collection_number == number))
        of_collection = _documents.c.collection_number == number
        tx.execute(update(_documents).where(of_collection).values(embedded_count=0))
        return list(tx.scalars(select(_documents.c.id).where(of_collection, _documents.c.chunk_count > 0)))

    def find(self, tx: Tx, document_id: DocumentId, ordinals: Sequence[int]) -> Sequence[Chunk]:
        """Passages of a document by their places in it, in order."""
        query = _CHUNK.where(_chunks.c.document_id == document_id, _chunks.c.ordinal.in_(ordinals))
        return [_chunk(row) for row in tx.execute(query.order_by(_chunks.c.ordinal))]

    def find_readable(self, tx: Tx, reader_id: UserId, places: Sequence[tuple[str, int]]) -> Sequence[Chunk]:
        """Passages by document and place, of the reader's own and of shared collections."""
        if not places:
            return []
        wanted = [
            (_chunks.c.document_id == document_id) & (_chunks.c.ordinal == place) for document_id, place in places
        ]
        may_read = (_collections.c.owner_id == reader_id) | _collections.c.is_shared
        return [_chunk(row) for row in tx.execute(_CHUNK.where(or_(*wanted), may_read))]


def with_heading(heading: str, text: str) -> str:
    """A passage as it is indexed: it is found by the headings above it too."""
    return f"{heading}\n{text}" if heading else text


def _keyset(query: Select[Any], key: Any, cursor: Cursor | None, count: int) -> Select[Any]:
    """Newest first by `key` (ids grow with time), from `cursor` in its direction."""
    is_backward = cursor is not None and cursor.is_backward
    if cursor is not None:
        at = bindparam("at", cursor.key[0], type_=key.type)
        query = query.where(key > at if is_backward else key < at)
    return query.order_by(key if is_backward else key.desc()).limit(count)


def _collection(row: Row[Any]) -> Collection:
    return Collection(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        is_shared=row.is_shared,
        metadata=_metadata(row),
        embedding_model=row.embedding_model,
        embedding_dimensions=row.embedding_dimensions,
        document_count=row.document_count,
        chunk_count=row.chunk_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _document(row: Row[Any]) -> Document:
    error = None
    if row.error_code is not None:
        error = DocumentError(code=row.error_code, detail=row.error_detail or "")
    return Document(
        id=row.id,
        collection_id=row.collection_id,
        owner_id=row.owner_id,
        name=row.name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        content_hash=row.content_hash,
        status=DocumentStatus(row.status),
        error=error,
        metadata=_metadata(row),
        page_count=row.page_count,
        chunk_count=row.chunk_count,
        embedded_count=row.embedded_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _chunk(row: Row[Any]) -> Chunk:
    return Chunk(
        document_id=row.document_id,
        document_name=row.name,
        collection_id=row.collection_id,
        ordinal=row.ordinal,
        text=row.text,
        heading=row.heading,
        start_offset=row.start_offset,
        end_offset=row.end_offset,
        page=row.page,
        metadata=_metadata(row),
    )


def _metadata(row: Row[Any]) -> dict[str, Any]:
    metadata: Mapping[str, Any] = row._mapping["metadata"]
    return dict(metadata)
