"""Conversations with a client: begun, found, and read by those who may."""

from collections.abc import Sequence
from uuid import UUID

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.repo import SessionRepo
from conversation_engine.domains.conversations.sessions.types import SessionFilter
from conversation_engine.domains.conversations.types import (
    Conversation,
    Message,
    MessageRole,
    NewConversation,
    NewMessage,
    Usage,
)
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, PersonaId, UserId, parse_id
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role


class SessionStore:
    """Serves the rooms above: they decide who may do what, but for `readable`, the one rule of reading."""

    def __init__(self, database: Database, *, conversations: ConversationService, clock: Clock) -> None:
        self._database = database
        self._service = conversations
        self._clock = clock
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()
        self._sessions = SessionRepo()

    def begin(self, tx: Tx, session_id: ConversationId, new: NewConversation, *, greeting: str) -> Conversation:
        """Write a session, and what the client says first unless that is empty. Up to five statements.

        Raises ConstraintViolation when the student has an active one with this client.
        """
        self._conversations.insert(tx, session_id, new, at=self._clock.now())
        if greeting:
            said = self._service.checked_message(
                NewMessage(id=MessageId(new_id()), role=MessageRole.ASSISTANT, content=greeting)
            )
            self._service.append_reply(tx, session_id, said, owner_id=new.owner_id, usage=Usage())
        return self._service.owned(tx, session_id, owner_id=new.owner_id)

    def find_active(self, tx: Tx, owner_id: UserId, persona_id: PersonaId) -> Conversation | None:
        """The one active session of a student with a client."""
        return self._sessions.find_active(tx, owner_id, persona_id)

    def readable(self, tx: Tx, caller: Principal, conversation_id: ConversationId) -> Conversation:
        """The conversation, if the caller owns it, is its client's teacher, or an admin.

        Raises ConversationNotFoundError or ConversationForbiddenError.
        """
        found = self._conversations.find(tx, ConversationId(parse_id(conversation_id)))
        if found is None:
            raise ConversationNotFoundError(conversation_id)
        is_teacher = caller.role is Role.TEACHER and found.supervisor_id == caller.user_id
        if not (found.owner_id == caller.user_id or is_teacher or caller.role is Role.ADMIN):
            raise ConversationForbiddenError(conversation_id)
        return found

    async def list_of(self, wanted: SessionFilter, *, cursor: str | None = None, limit: int = 50) -> Page[Conversation]:
        """Conversations, newest first."""
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        rows = await self._database.read(lambda tx: self._sessions.list_of(tx, wanted, cursor=at, count=limit + 1))
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    def messages_of(
        self, tx: Tx, conversation: Conversation, *, cursor: Cursor | None, count: int, newest_first: bool
    ) -> Sequence[Message]:
        """Messages of a conversation that the caller of this may read."""
        return self._messages.list_of(tx, conversation.id, cursor=cursor, count=count, newest_first=newest_first)
