"""The words of this domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.kernel.ids import PersonaId, UserId
from conversation_engine.kernel.people import Principal

JsonObject = dict[str, Any]
CollectionId = NewType("CollectionId", str)
DocumentId = NewType("DocumentId", str)

DEFAULT_COLLECTION: Final = "My documents"
"""Where a document goes that was given no collection."""


class DocumentStatus(StrEnum):
    """How far a document is."""

    UPLOADING = "uploading"
    """Its bytes are being stored; if that ends midway it is removed after a day."""
    QUEUED = "queued"
    PROCESSING = "processing"
    """It is read and cut into passages, or these are being embedded. What is done can be found already."""
    READY = "ready"
    FAILED = "failed"
    """`error` says why; nothing of it can be found."""


class Strategy(StrEnum):
    """How passages are found."""

    LEXICAL = "lexical"
    """By words: BM25."""
    DENSE = "dense"
    """By meaning: cosine of embeddings."""
    RRF_FUSION = "rrf_fusion"
    """Both lists, merged by reciprocal rank (Cormack et al. 2009, k = 60)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Documents that are searched together."""

    id: CollectionId
    owner_id: UserId
    name: str
    is_shared: bool
    """Whether everybody may search it and read its documents."""
    metadata: JsonObject
    embedding_model: str | None
    """What its passages are embedded with; `None` before the first one was."""
    embedding_dimensions: int | None
    document_count: int
    chunk_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCollection:
    """What is needed to make one."""

    name: str
    is_shared: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentError:
    """Why a document cannot be searched."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Something that was uploaded."""

    id: DocumentId
    collection_id: CollectionId
    owner_id: UserId
    name: str
    media_type: str
    size_bytes: int
    content_hash: str
    """SHA-256 of its bytes, in hex."""
    status: DocumentStatus
    error: DocumentError | None
    metadata: JsonObject
    page_count: int | None
    chunk_count: int
    embedded_count: int
    """Of its passages, those that can be found by meaning."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A file to be searched."""

    name: str
    content: bytes
    collection_id: CollectionId | None = None
    """`None`: the owner's `DEFAULT_COLLECTION`, which is made if need be."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_cut: bool = False
    """Whether `content` is only the beginning of a file that was over the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of an upload."""

    document: Document
    is_new: bool
    """False when the collection had a document with the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents to list; `None` means any."""

    collection_id: CollectionId | None = None
    status: DocumentStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A passage about to be written."""

    ordinal: int
    """0, 1, 2 … in the document."""
    text: str
    heading: str
    """The headings above it, `First > Second`; empty where there are none."""
    start_offset: int
    """Where it begins in the document's text, in Unicode code points."""
    end_offset: int
    page: int | None
    """1, 2, 3 …; `None` where there are no pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A passage of a document."""

    document_id: DocumentId
    document_name: str
    collection_id: CollectionId
    ordinal: int
    text: str
    heading: str
    start_offset: int
    end_offset: int
    page: int | None
    metadata: JsonObject
    """The document's."""

    @property
    def id(self) -> str:
        """Stable as long as the document is: it names the document and the passage's place in it."""
        return f"{self.document_id}:{self.ordinal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage with what stands around it."""

    chunk: Chunk
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one way of searching says about a passage."""

    rank: int
    """1, 2, 3 …"""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found."""

    chunk: Chunk
    score: float
    """Of the strategy: BM25, cosine, or the sum of reciprocal ranks. Comparable within one answer only."""
    lexical: Place | None
    dense: Place | None
    highlights: Sequence[tuple[int, int]]
    """Where words of the query stand in the text: code points from and to, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrower:
    """A client in one of its versions, for whose sake collections are searched that the caller may not read."""

    persona_id: PersonaId
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What somebody looks for, and where."""

    caller: Principal
    query: str
    strategy: Strategy = Strategy.RRF_FUSION
    top_k: int = 10
    collection_ids: Sequence[CollectionId] | None = None
    """`None`: everything the caller may read."""
    borrower: Borrower | None = None
    """Whose loans are searched too; only `RetrievalService.find` is told of one, by the session it answers in."""
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Documents whose metadata say exactly this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """How the answer to one question is looked up."""

    strategy: Strategy = Strategy.RRF_FUSION
    top_k: int = 10
    collection_ids: tuple[str, ...] | None = None
    """`None`: those of the conversation, or else everything that its owner may read."""
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    is_strict: bool = False
    """Whether nothing is answered that the documents do not say."""

    def as_json(self) -> JsonObject:
        """What is stored with a turn."""
        ids = None if self.collection_ids is None else list(self.collection_ids)
        return {
            "strategy": self.strategy.value,
            "top_k": self.top_k,
            "collection_ids": ids,
            "metadata": dict(self.metadata),
            "is_strict": self.is_strict,
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "RetrievalOptions":
        """What `as_json` made."""
        ids = stored["collection_ids"]
        return RetrievalOptions(
            strategy=Strategy(stored["strategy"]),
            top_k=stored["top_k"],
            collection_ids=None if ids is None else tuple(ids),
            metadata=stored["metadata"],
            is_strict=stored["is_strict"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """What was found."""

    hits: Sequence[Hit]
    strategy: Strategy
    """What was done: `lexical` where `rrf_fusion` was asked for and search by meaning is off."""
    is_relevant: bool
    """Whether anything found is about the question at all."""
    best_cosine: float | None
    """Of all passages looked at; `None` where nobody looked by meaning."""
    was_query_cached: bool
    milliseconds: Mapping[str, float]
    """Time of each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexQuery:
    """A search as the index takes it: decided, analysed and embedded."""

    reader_id: UserId
    collection_ids: Sequence[CollectionId] | None
    borrower: Borrower | None
    """Whose loans are searched beside what the reader may read of `collection_ids`."""
    terms: Mapping[str, int]
    """How often the question says each; empty: nothing is looked for by words."""
    vector: Vector | None
    """`None`: nothing is looked for by meaning."""
    model: str | None
    """What made `vector`; collections with vectors of another model are searched by words only."""
    metadata: Mapping[str, str | int | float | bool]
    depth: int
    """How many of each list are merged."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHit:
    """A passage that the index found."""

    chunk: Chunk
    score: float
    lexical: Place | None
    dense: Place | None
