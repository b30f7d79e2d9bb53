"""Reading along."""

from collections.abc import Sequence

from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.conversations.sessions.types import SessionFilter
from conversation_engine.domains.conversations.types import Conversation, ConversationStatus, Message
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.ids import ConversationId, PersonaId, UserId
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import check_sought
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import Turn


class ReviewService:
    """The door for those who look after others: teachers see the sessions of students with their own clients, admins
    see everything. It only reads; each look into what is somebody else's is written down with it.
    """

    def __init__(self, database: Database, *, sessions: SessionStore, turns: TurnService, audit: AuditLog) -> None:
        self._database = database
        self._sessions = sessions
        self._turns = turns
        self._audit = audit

    async def list_of(
        self,
        caller: Principal,
        *,
        student_id: UserId | None = None,
        client_id: PersonaId | None = None,
        status: ConversationStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Conversation]:
        """For teachers the sessions with their clients, for admins all conversations; newest first.

        Raises InvalidTextError and InvalidCursorError.
        """
        require_role(caller, Role.TEACHER, Role.ADMIN)
        check_sought(student_id=student_id)
        is_admin = caller.role is Role.ADMIN
        wanted = SessionFilter(
            owner_id=student_id,
            supervisor_id=None if is_admin else caller.user_id,
            persona_id=client_id,
            status=status,
            only_sessions=not is_admin,
        )
        page = await self._sessions.list_of(wanted, cursor=cursor, limit=limit)
        if is_admin:
            await self._audit.note(Deed(action="conversations.listed", actor_id=caller.user_id, subject_id=student_id))
        return page

    async def read(
        self,
        caller: Principal,
        conversation_id: ConversationId,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> tuple[Conversation, Page[Message]]:
        """A conversation and a page of its messages. Raises ConversationNotFoundError, ConversationForbiddenError."""
        require_role(caller, Role.TEACHER, Role.ADMIN)
        at = None if cursor is None else Cursor.decode(cursor, types=(int,))

        def work(tx: Tx) -> tuple[Conversation, Sequence[Message]]:
            conversation = self._sessions.readable(tx, caller, conversation_id)
            if conversation.owner_id != caller.user_id:
                self._audit.record(tx, _look(caller, conversation))
            rows = self._sessions.messages_of(tx, conversation, cursor=at, count=limit + 1, newest_first=newest_first)
            return conversation, rows

        conversation, rows = await self._database.write(work)
        return conversation, make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.sequence_number,))

    async def live_turns(self, caller: Principal, *, limit: int = 100) -> Sequence[Turn]:
        """Everybody's turns that run or wait in line, oldest first. For admins."""
        require_role(caller, Role.ADMIN)
        turns = await self._turns.list_live(limit=limit)
        await self._audit.note(Deed(action="turns.listed", actor_id=caller.user_id))
        return turns


def _look(caller: Principal, conversation: Conversation) -> Deed:
    return Deed(
        action="conversation.looked_at",
        actor_id=caller.user_id,
        subject_id=conversation.owner_id,
        target=f"conversation:{conversation.id}",
    )
