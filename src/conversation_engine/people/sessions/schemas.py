"""Sessions on the wire."""

from pydantic import Field

from conversation_engine.domains.conversations.schemas import ContentField, ConversationOut, RequestBody


class SessionIn(RequestBody):
    """A session to begin."""

    client_id: str


class SaidIn(RequestBody):
    """What the student says."""

    content: ContentField


class ActiveSession(RequestBody):
    """The active session with a client."""

    session: ConversationOut | None = Field(description="Null where there is none.")
