"""Tables of this domain."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, RowNumber, TermsType, UtcDateTime, VectorType


class CollectionModel(Base):
    """Documents that are searched together."""

    __tablename__ = "collections"

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    """Short: every indexed term begins with it, so that a search reads the postings of its collections alone."""
    id: Mapped[str] = mapped_column(IdType)
    owner_id: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(200))
    is_shared: Mapped[bool] = mapped_column(Boolean)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JsonType)
    embedding_model: Mapped[str | None] = mapped_column(String(255))
    embedding_dimensions: Mapped[int | None] = mapped_column(Integer)
    chunk_count: Mapped[int] = mapped_column(Integer, default=0)
    term_count: Mapped[int] = mapped_column(BigInteger, default=0)
    """Terms of all its passages, repetitions included: for their mean length."""
    removals: Mapped[int] = mapped_column(Integer, default=0)
    """Grows when passages go or are embedded again: what processes remember of its vectors is wrong then."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("owner_id", "name"),
        Index("ix_collections_is_shared", "is_shared"),
        {"sqlite_autoincrement": True},
    )


class LoanModel(Base):
    """A collection that a client knows, in one version of it: searched in that client's sessions, read nowhere else."""

    __tablename__ = "collection_loans"

    persona_id: Mapped[str] = mapped_column(IdType, ForeignKey("personas.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    collection_id: Mapped[str] = mapped_column(
        IdType, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    lender_id: Mapped[str] = mapped_column(String(255))
    """Who gave it to the client. What they may not read any more, the client does not know any more."""

    __table_args__ = (Index("ix_collection_loans_collection_id", "collection_id"),)


class DocumentModel(Base):
    """Something that was uploaded."""

    __tablename__ = "documents"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    collection_number: Mapped[int] = mapped_column(RowNumber, ForeignKey("collections.number", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    error_code: Mapped[str | None] = mapped_column(String(50))
    error_detail: Mapped[str | None] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JsonType)
    page_count: Mapped[int | None] = mapped_column(Integer)
    chunk_count: Mapped[int] = mapped_column(Integer, default=0)
    embedded_count: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("collection_number", "content_hash"),
        CheckConstraint("status IN ('uploading', 'queued', 'processing', 'ready', 'failed')", name="status_known"),
        Index("ix_documents_owner_id", "owner_id", "id"),
        Index("ix_documents_collection_number", "collection_number", "id"),
    )


class UploadPartModel(Base):
    """A piece of an uploaded file; gone when the file has been read."""

    __tablename__ = "upload_parts"

    document_id: Mapped[str] = mapped_column(IdType, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ChunkModel(Base):
    """A passage of a document. Short columns come first: SQLite reads a row from its beginning."""

    __tablename__ = "chunks"

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    collection_number: Mapped[int] = mapped_column(RowNumber, ForeignKey("collections.number", ondelete="CASCADE"))
    document_id: Mapped[str] = mapped_column(IdType, ForeignKey("documents.id", ondelete="CASCADE"))
    ordinal: Mapped[int] = mapped_column(Integer)
    term_count: Mapped[int] = mapped_column(Integer)
    start_offset: Mapped[int] = mapped_column(Integer)
    end_offset: Mapped[int] = mapped_column(Integer)
    page: Mapped[int | None] = mapped_column(Integer)
    heading: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    terms: Mapped[str] = mapped_column(TermsType)
    """What it is found by; each term begins with the collection's number. Indexed by FTS5 or GIN (migration 0012)."""

    __table_args__ = (
        UniqueConstraint("document_id", "ordinal"),
        Index("ix_chunks_collection_number", "collection_number"),
        {"sqlite_autoincrement": True},
    )


class ChunkVectorModel(Base):
    """What a passage means. On PostgreSQL an HNSW index is made for each length when the first such vector comes."""

    __tablename__ = "chunk_vectors"

    sequence: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    """Grows: who remembers vectors reads those that came after the last it has."""
    chunk_number: Mapped[int] = mapped_column(RowNumber, ForeignKey("chunks.number", ondelete="CASCADE"))
    collection_number: Mapped[int] = mapped_column(RowNumber, ForeignKey("collections.number", ondelete="CASCADE"))
    vector: Mapped[bytes] = mapped_column(VectorType)

    __table_args__ = (
        UniqueConstraint("chunk_number"),
        Index("ix_chunk_vectors_collection_number", "collection_number", "sequence"),
        {"sqlite_autoincrement": True},
    )


class TermModel(Base):
    """In how many passages of a collection a term occurs."""

    __tablename__ = "collection_terms"

    collection_number: Mapped[int] = mapped_column(
        RowNumber, ForeignKey("collections.number", ondelete="CASCADE"), primary_key=True
    )
    term: Mapped[str] = mapped_column(String(40), primary_key=True)
    chunk_count: Mapped[int] = mapped_column(Integer)
