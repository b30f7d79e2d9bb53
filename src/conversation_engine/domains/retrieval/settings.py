"""Knobs of documents and search."""

from pydantic import BaseModel, Field


class RetrievalSettings(BaseModel):
    """What is taken, how it is cut, and what counts as found."""

    document_limit_bytes: int = Field(25_000_000, ge=1024, description="Largest file that is read.")
    upload_limit_bytes: int = Field(
        200_000_000, ge=1024, description="Largest request body of an upload, all its files together."
    )
    document_limit_pages: int = Field(2000, ge=1, description="Most pages of a PDF that is read.")
    document_limit_characters: int = Field(5_000_000, ge=1000, description="Most text of a document that is read.")
    parse_timeout_seconds: float = Field(60.0, gt=0, description="Longest time that reading one file may take.")
    parse_memory_bytes: int = Field(
        1_000_000_000, ge=100_000_000, description="Most memory (address space) that reading one file may take."
    )
    chunk_limit_characters: int = Field(
        1400,
        ge=200,
        le=8000,
        description="Longest passage that a document is cut to. The default is about what the local model reads.",
    )
    evidence_limit_tokens: int = Field(
        2000, ge=64, description="Most tokens of passages that a model is shown; never over half of its context."
    )
