"""What a conversation may hold."""

from pydantic import BaseModel, Field


class ConversationSettings(BaseModel):
    """Limits on what people send."""

    title_limit_characters: int = Field(500, ge=1, description="Longest title of a conversation, in characters.")
    message_limit_characters: int = Field(
        200_000, ge=1, description="Longest message, in characters (JSON content: of its serialised form)."
    )
    media_limit_characters: int = Field(
        8_000_000,
        ge=0,
        description="Longest images and files of one message together, in characters as data URLs (a third more than "
        "their bytes). They are stored with the message; `CE_BODY_LIMIT_BYTES` bounds a request as a whole.",
    )
    pin_limit_messages: int = Field(20, ge=1, description="Most pinned messages of a conversation.")
    metadata_limit_characters: int = Field(
        65_536, ge=2, description="Longest metadata of a conversation or a message, in characters of JSON."
    )
