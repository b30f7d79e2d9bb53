"""Records on the wire."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.people.records.types import ErasedConversation


class ExportOut(BaseModel):
    """Everything that is kept about a person."""

    user_id: str
    exported_at: datetime
    tables: dict[str, list[dict[str, Any]]] = Field(description="Rows by table; hashes of secrets are left out.")


class ErasedOut(BaseModel):
    """What erasing somebody came to."""

    user_id: str
    rows: dict[str, int] = Field(description="Rows removed, or made nobody's, by table.")


class ErasureIn(BaseModel):
    """A word to make sure."""

    model_config = ConfigDict(extra="forbid")

    confirm: str = Field(description="The id of the user who is to be erased.")


class ConversationErasedOut(BaseModel):
    """The receipt of an erasure."""

    conversation_id: str
    rows: dict[str, int] = Field(description="Rows removed, or emptied of what was said, by table.")

    @classmethod
    def of(cls, erased: ErasedConversation) -> Self:
        """On the wire."""
        return cls(conversation_id=erased.conversation_id, rows=erased.rows)


class ConversationErasureIn(BaseModel):
    """A word to make sure."""

    model_config = ConfigDict(extra="forbid")

    confirm: str = Field(description="The id of the conversation that is to be erased.")
