"""What a conversation may hold."""

from pydantic import BaseModel, Field


class ConversationSettings(BaseModel):
    """Limits on what people send."""

    title_limit_characters: int = Field(500, ge=1, description="Longest title of a conversation, in characters.")
    message_limit_characters: int = Field(
        200_000, ge=1, description="Longest message, in characters (JSON content: of its serialised form)."
    )
    pin_limit_messages: int = Field(20, ge=1, description="Most pinned messages of a conversation.")
    metadata_limit_characters: int = Field(
        65_536, ge=2, description="Longest metadata of a conversation or a message, in characters of JSON."
    )
