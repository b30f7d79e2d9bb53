"""Which model turns texts into vectors."""

from pydantic import BaseModel, Field, SecretStr


class EmbeddingSettings(BaseModel):
    """Embedding models by name: `local`, `openai/NAME` or `none`."""

    embedding_model: str = Field(
        "local",
        description="Turns texts into vectors for search by meaning: `local` (all-MiniLM-L6-v2, from the `retrieval` "
        "extra; without it there is no such search), `openai/NAME`, or `none`.",
    )
    embedding_base_url: str | None = Field(
        None, description="Where `openai/…` embedding models are, if not at CE_OPENAI_BASE_URL."
    )
    embedding_api_key: SecretStr | None = Field(None, description="Key for them, if not CE_OPENAI_API_KEY.")
    embedding_threads: int = Field(
        1, ge=1, description="CPU threads of the local embedding model for each text or batch; two batches run at once."
    )
    embedding_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait for an embedding service.")
