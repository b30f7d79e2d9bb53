"""Ids in the paths of routes: checked and canonical before a route sees them.

Validators rather than dependencies: FastAPI resolves each dependency for about as long as we read from the store.
"""

from typing import Annotated, Final

from pydantic import BeforeValidator

from conversation_engine.kernel.ids import (
    USER_ID_LIMIT_CHARACTERS,
    ConversationId,
    MessageId,
    PersonaId,
    TurnId,
    UserId,
    parse_id,
)
from conversation_engine.kernel.text import checked_text


def _user_id(value: str) -> str:
    return checked_text(value, name="user id", limit_characters=USER_ID_LIMIT_CHARACTERS)


_UUID: Final = BeforeValidator(parse_id, json_schema_input_type=str)

ConversationPath = Annotated[ConversationId, _UUID]
MessagePath = Annotated[MessageId, _UUID]
TurnPath = Annotated[TurnId, _UUID]
PersonaPath = Annotated[PersonaId, _UUID]
UserPath = Annotated[UserId, BeforeValidator(_user_id, json_schema_input_type=str)]
"""Whatever an identity provider calls somebody."""
