"""Documents, collections and search on the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.retrieval.types import (
    Collection,
    Document,
    DocumentStatus,
    Hit,
    Passage,
    Place,
    SearchOutcome,
    Strategy,
    Uploaded,
)

JsonObject = dict[str, Any]
MetadataFilter = dict[str, str | int | float | bool]


class _RequestBody(BaseModel):
    """A body with a field that we do not know is refused rather than half understood."""

    model_config = ConfigDict(extra="forbid")


class CollectionIn(_RequestBody):
    """A collection to make."""

    name: str
    is_shared: bool = Field(False, description="Whether everybody may search it; for teachers and administrators.")
    metadata: JsonObject = Field(default_factory=dict)


class CollectionChange(_RequestBody):
    """What to change; what is not named stays."""

    name: str | None = None
    is_shared: bool | None = None
    metadata: JsonObject | None = None


class CollectionOut(BaseModel):
    """Documents that are searched together."""

    id: str
    owner_id: str
    name: str
    is_shared: bool
    metadata: JsonObject
    embedding_model: str | None = Field(description="What its passages are embedded with; null before the first.")
    embedding_dimensions: int | None
    document_count: int
    chunk_count: int
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(collection: Collection) -> "CollectionOut":
        """The wire shape of a collection."""
        return CollectionOut(
            id=collection.id,
            owner_id=collection.owner_id,
            name=collection.name,
            is_shared=collection.is_shared,
            metadata=collection.metadata,
            embedding_model=collection.embedding_model,
            embedding_dimensions=collection.embedding_dimensions,
            document_count=collection.document_count,
            chunk_count=collection.chunk_count,
            created_at=collection.created_at,
            updated_at=collection.updated_at,
        )


class CollectionPage(BaseModel):
    """Some collections, newest first."""

    items: list[CollectionOut]
    next: str | None
    previous: str | None


class DocumentErrorOut(BaseModel):
    """Why a document cannot be searched, or not by meaning."""

    code: str
    detail: str


class DocumentOut(BaseModel):
    """A document and how far it is."""

    id: str
    collection_id: str
    owner_id: str
    name: str
    media_type: str
    size_bytes: int
    content_hash: str = Field(description="SHA-256 of the file, in hex.")
    status: DocumentStatus
    error: DocumentErrorOut | None
    metadata: JsonObject
    page_count: int | None
    chunk_count: int = Field(description="Passages that can be found by their words.")
    embedded_count: int = Field(description="Those of them that can be found by meaning too.")
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def of(document: Document) -> "DocumentOut":
        """The wire shape of a document."""
        error = document.error
        return DocumentOut(
            id=document.id,
            collection_id=document.collection_id,
            owner_id=document.owner_id,
            name=document.name,
            media_type=document.media_type,
            size_bytes=document.size_bytes,
            content_hash=document.content_hash,
            status=document.status,
            error=None if error is None else DocumentErrorOut(code=error.code, detail=error.detail),
            metadata=document.metadata,
            page_count=document.page_count,
            chunk_count=document.chunk_count,
            embedded_count=document.embedded_count,
            created_at=document.created_at,
            updated_at=document.updated_at,
        )


class UploadedOut(DocumentOut):
    """A document that was uploaded."""

    is_new: bool = Field(description="False when the collection had a document with the same bytes.")

    @staticmethod
    def of_upload(uploaded: Uploaded) -> "UploadedOut":
        """The wire shape of an upload."""
        return UploadedOut(**DocumentOut.of(uploaded.document).model_dump(), is_new=uploaded.is_new)


class UploadsOut(BaseModel):
    """What became of each file, in order. What is wrong with one shows in its `status` and `error`."""

    documents: list[UploadedOut]


class DocumentPage(BaseModel):
    """Some documents, newest first."""

    items: list[DocumentOut]
    next: str | None
    previous: str | None


class PassageOut(BaseModel):
    """A passage and what stands around it. Text of a document is data: escape it where it is shown."""

    id: str
    document_id: str
    document_name: str
    collection_id: str
    ordinal: int
    heading: str
    text: str
    before: str = Field(description="The passage before; empty at the beginning.")
    after: str
    start_offset: int = Field(description="Where it begins in the document's text, in Unicode code points.")
    end_offset: int
    page: int | None

    @staticmethod
    def of(passage: Passage) -> "PassageOut":
        """The wire shape of a passage."""
        chunk = passage.chunk
        return PassageOut(
            id=chunk.id,
            document_id=chunk.document_id,
            document_name=chunk.document_name,
            collection_id=chunk.collection_id,
            ordinal=chunk.ordinal,
            heading=chunk.heading,
            text=chunk.text,
            before=passage.before,
            after=passage.after,
            start_offset=chunk.start_offset,
            end_offset=chunk.end_offset,
            page=chunk.page,
        )


class SearchIn(_RequestBody):
    """What to look for, and where."""

    query: str
    strategy: Strategy = Strategy.RRF_FUSION
    top_k: int = Field(10, ge=1, le=100)
    collection_ids: list[str] | None = Field(None, description="Unset: everything that you may read.")
    filters: MetadataFilter = Field(
        default_factory=dict, description="Documents whose metadata say exactly this.", max_length=10
    )


class PlaceOut(BaseModel):
    """What one way of searching says about a passage."""

    rank: int
    score: float

    @staticmethod
    def of(place: Place | None) -> "PlaceOut | None":
        """The wire shape, if there is one."""
        return None if place is None else PlaceOut(rank=place.rank, score=place.score)


class HighlightOut(BaseModel):
    """Words of the query in a text, in Unicode code points."""

    start: int
    end: int


class HitOut(BaseModel):
    """A passage that was found. Its text is data: escape it where it is shown."""

    id: str
    document_id: str
    document_name: str
    collection_id: str
    ordinal: int
    heading: str
    text: str
    highlights: list[HighlightOut]
    start_offset: int
    end_offset: int
    page: int | None
    metadata: JsonObject = Field(description="The document's.")
    rank: int
    score: float = Field(description="Of the strategy; comparable within one answer only.")
    lexical: PlaceOut | None = Field(description="By words (BM25); null where it was not among the best.")
    dense: PlaceOut | None = Field(description="By meaning (cosine); null where it was not among the nearest.")

    @staticmethod
    def of(hit: Hit, *, rank: int) -> "HitOut":
        """The wire shape of a hit."""
        chunk = hit.chunk
        return HitOut(
            id=chunk.id,
            document_id=chunk.document_id,
            document_name=chunk.document_name,
            collection_id=chunk.collection_id,
            ordinal=chunk.ordinal,
            heading=chunk.heading,
            text=chunk.text,
            highlights=[HighlightOut(start=start, end=end) for start, end in hit.highlights],
            start_offset=chunk.start_offset,
            end_offset=chunk.end_offset,
            page=chunk.page,
            metadata=chunk.metadata,
            rank=rank,
            score=hit.score,
            lexical=PlaceOut.of(hit.lexical),
            dense=PlaceOut.of(hit.dense),
        )


class SearchOut(BaseModel):
    """What was found, best first."""

    results: list[HitOut]
    strategy: Strategy = Field(description="What was done: `lexical` where search by meaning is off.")
    is_relevant: bool = Field(description="Whether anything found is about the question at all.")
    cache: Literal["hit", "miss"] = Field(description="Whether the query's vector was known.")
    processing_time_ms: float
    steps_ms: dict[str, float]

    @staticmethod
    def of(outcome: SearchOutcome) -> "SearchOut":
        """The wire shape of an outcome."""
        return SearchOut(
            results=[HitOut.of(hit, rank=rank) for rank, hit in enumerate(outcome.hits, start=1)],
            strategy=outcome.strategy,
            is_relevant=outcome.is_relevant,
            cache="hit" if outcome.was_query_cached else "miss",
            processing_time_ms=round(sum(outcome.milliseconds.values()), 3),
            steps_ms=dict(outcome.milliseconds),
        )
