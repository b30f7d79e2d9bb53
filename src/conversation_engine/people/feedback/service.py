"""Feedback on what one may read."""

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.domains.feedback.types import Feedback, FeedbackFilter, Opinion, Place
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.paging import Page
from conversation_engine.kernel.people import Principal, Role, require_role


class FeedbackDesk:
    """Whoever may read a conversation may judge it: its owner, its client's teacher, admins. They also read what the
    others think of it. Raises ConversationNotFoundError, ConversationForbiddenError, MessageNotFoundError.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        sessions: SessionStore,
        feedback: FeedbackService,
        audit: AuditLog,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._sessions = sessions
        self._feedback = feedback
        self._audit = audit

    async def give(
        self, caller: Principal, conversation_id: ConversationId, message_id: MessageId | None, opinion: Opinion
    ) -> Feedback:
        """Say what you think, in place of what you said before. One short transaction."""

        def work(tx: Tx) -> Feedback:
            place = self._place(tx, caller, conversation_id, message_id)
            return self._feedback.put(tx, place, caller.user_id, opinion)

        try:
            return await self._database.write(work)
        except ConstraintViolation:  # the same author, at the same time: the later one counts
            return await self._database.write(work)

    async def take_back(self, caller: Principal, conversation_id: ConversationId, message_id: MessageId | None) -> None:
        """Forget what you said. Idempotent."""

        def work(tx: Tx) -> None:
            place = self._place(tx, caller, conversation_id, message_id)
            self._feedback.take_back(tx, place, caller.user_id)

        await self._database.write(work)

    async def list_of(
        self, caller: Principal, conversation_id: ConversationId, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Feedback]:
        """What everybody thinks of a conversation and its messages, newest first."""

        def work(tx: Tx) -> Conversation:
            conversation = self._sessions.readable(tx, caller, conversation_id)
            if conversation.owner_id != caller.user_id:
                self._audit.record(tx, _look(caller, conversation))
            return conversation

        conversation = await self._database.write(work)
        wanted = FeedbackFilter(conversation_id=conversation.id)
        return await self._feedback.list_of(wanted, cursor=cursor, limit=limit)

    async def received(self, caller: Principal, *, cursor: str | None = None, limit: int = 50) -> Page[Feedback]:
        """For teachers what is thought of sessions with their clients, for admins everything; newest first."""
        require_role(caller, Role.TEACHER, Role.ADMIN)
        is_admin = caller.role is Role.ADMIN
        page = await self._feedback.list_of(
            FeedbackFilter(supervisor_id=None if is_admin else caller.user_id), cursor=cursor, limit=limit
        )
        if is_admin:
            await self._audit.note(Deed(action="feedback.listed", actor_id=caller.user_id))
        return page

    def _place(self, tx: Tx, caller: Principal, conversation_id: ConversationId, message_id: MessageId | None) -> Place:
        conversation = self._sessions.readable(tx, caller, conversation_id)
        known = None if message_id is None else self._conversations.message(tx, conversation.id, message_id).id
        return Place(
            conversation_id=conversation.id,
            message_id=known,
            owner_id=conversation.owner_id,
            supervisor_id=conversation.supervisor_id,
        )


def _look(caller: Principal, conversation: Conversation) -> Deed:
    return Deed(
        action="feedback.looked_at",
        actor_id=caller.user_id,
        subject_id=conversation.owner_id,
        target=f"conversation:{conversation.id}",
    )
