"""Documents, their passages, and what these are found by."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, JsonType, RowNumber, TermsType, UtcDateTime, VectorType

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_FTS = (
    "CREATE VIRTUAL TABLE chunk_fts USING fts5(terms, content='chunks', content_rowid='number', "
    "tokenize=\"ascii tokenchars '_'\")"
)
_ON_SQLITE = (
    _FTS,
    "CREATE VIRTUAL TABLE chunk_fts_postings USING fts5vocab('chunk_fts', 'instance')",
    "CREATE TRIGGER chunks_inserted AFTER INSERT ON chunks BEGIN "
    "INSERT INTO chunk_fts(rowid, terms) VALUES (new.number, new.terms); END",
    "CREATE TRIGGER chunks_deleted AFTER DELETE ON chunks BEGIN "
    "INSERT INTO chunk_fts(chunk_fts, rowid, terms) VALUES ('delete', old.number, old.terms); END",
    "CREATE TRIGGER chunks_changed AFTER UPDATE OF terms ON chunks BEGIN "
    "INSERT INTO chunk_fts(chunk_fts, rowid, terms) VALUES ('delete', old.number, old.terms); "
    "INSERT INTO chunk_fts(rowid, terms) VALUES (new.number, new.terms); END",
)


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _ON_SQLITE:
            op.execute(statement)
    else:
        # Without `fastupdate` a search never has to read through what was written lately.
        op.execute("CREATE INDEX ix_chunks_terms ON chunks USING gin (terms) WITH (fastupdate = off)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE chunk_fts_postings")
        op.execute("DROP TABLE chunk_fts")
    for table in ("collection_terms", "chunk_vectors", "chunks", "upload_parts", "documents", "collections"):
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "collections",
        sa.Column("number", RowNumber, autoincrement=True, nullable=False),
        sa.Column("id", IdType, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("metadata", JsonType, nullable=False),
        sa.Column("embedding_model", sa.String(length=255), nullable=True),
        sa.Column("embedding_dimensions", sa.Integer(), nullable=True),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("term_count", sa.BigInteger(), nullable=False),
        sa.Column("removals", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_collections")),
        sa.UniqueConstraint("id", name=op.f("uq_collections_id")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_collections_owner_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_collections_is_shared", "collections", ["is_shared"])
    op.create_table(
        "documents",
        sa.Column("id", IdType, nullable=False),
        _collection(),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error_code", sa.String(length=50), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("metadata", JsonType, nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("embedded_count", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('uploading', 'queued', 'processing', 'ready', 'failed')",
            name=op.f("ck_documents_status_known"),
        ),
        _gone_with_collection("documents"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint(
            "collection_number", "content_hash", name=op.f("uq_documents_collection_number_content_hash")
        ),
    )
    op.create_index("ix_documents_owner_id", "documents", ["owner_id", "id"])
    op.create_index("ix_documents_collection_number", "documents", ["collection_number", "id"])
    _create_chunk_tables()


def _create_chunk_tables() -> None:
    op.create_table(
        "upload_parts",
        sa.Column("document_id", IdType, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _gone_with_document("upload_parts"),
        sa.PrimaryKeyConstraint("document_id", "part", name=op.f("pk_upload_parts")),
    )
    op.create_table(
        "chunks",
        sa.Column("number", RowNumber, autoincrement=True, nullable=False),
        _collection(),
        sa.Column("document_id", IdType, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("term_count", sa.Integer(), nullable=False),
        sa.Column("start_offset", sa.Integer(), nullable=False),
        sa.Column("end_offset", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("terms", TermsType, nullable=False),
        _gone_with_collection("chunks"),
        _gone_with_document("chunks"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_chunks")),
        sa.UniqueConstraint("document_id", "ordinal", name=op.f("uq_chunks_document_id_ordinal")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunks_collection_number", "chunks", ["collection_number"])
    op.create_table(
        "chunk_vectors",
        sa.Column("sequence", RowNumber, autoincrement=True, nullable=False),
        sa.Column("chunk_number", RowNumber, nullable=False),
        _collection(),
        sa.Column("vector", VectorType(), nullable=False),
        _gone_with_collection("chunk_vectors"),
        sa.ForeignKeyConstraint(
            ["chunk_number"], ["chunks.number"], name=op.f("fk_chunk_vectors_chunk_number_chunks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_chunk_vectors")),
        sa.UniqueConstraint("chunk_number", name=op.f("uq_chunk_vectors_chunk_number")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunk_vectors_collection_number", "chunk_vectors", ["collection_number", "sequence"])
    op.create_table(
        "collection_terms",
        _collection(),
        sa.Column("term", sa.String(length=40), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        _gone_with_collection("collection_terms"),
        sa.PrimaryKeyConstraint("collection_number", "term", name=op.f("pk_collection_terms")),
    )


def _collection() -> sa.Column[int]:
    return sa.Column("collection_number", RowNumber, nullable=False)


def _gone_with_collection(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_collection_number_collections")
    return sa.ForeignKeyConstraint(["collection_number"], ["collections.number"], name=name, ondelete="CASCADE")


def _gone_with_document(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_document_id_documents")
    return sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=name, ondelete="CASCADE")
