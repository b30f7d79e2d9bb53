"""Practice sessions: a student talks with a client."""

from conversation_engine.domains.conversations.errors import NotASessionError, SessionActiveError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.conversations.sessions.types import SessionFilter
from conversation_engine.domains.conversations.types import (
    Content,
    Conversation,
    ConversationStatus,
    Message,
    MessageRole,
    NewConversation,
    NewMessage,
)
from conversation_engine.domains.personas.service import PersonaService
from conversation_engine.domains.personas.types import Persona
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, PersonaId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.paging import Page
from conversation_engine.kernel.people import Principal
from conversation_engine.people.sessions.errors import NoReplyError
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, TurnState

SESSION_TYPE = "practice"


class SessionService:
    """The door to sessions. A student has at most one active session with each client: the database says so.

    `session_id` is the conversation's id, and everything under `/conversations` works with it for its owner. Methods
    raise ConversationNotFoundError, ConversationForbiddenError for somebody else's, and NotASessionError.
    """

    def __init__(
        self,
        database: Database,
        *,
        sessions: SessionStore,
        conversations: ConversationService,
        personas: PersonaService,
        turns: TurnService,
        ledger: IdempotencyLedger,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._conversations = conversations
        self._personas = personas
        self._turns = turns
        self._ledger = ledger

    async def start_conversation(
        self, student: Principal, client_id: PersonaId, *, once: Once | None = None
    ) -> Conversation:
        """Begin a session with the client as it is now; if it speaks first, that is said. One short transaction.

        Raises PersonaNotFoundError, PersonaForbiddenError, PersonaArchivedError; SessionActiveError with the id of the
        session that is active already.
        """
        session_id = ConversationId(new_id())

        def work(tx: Tx) -> Conversation:
            persona = self._personas.open_for_session(tx, student, client_id)
            new = self._new_session(student, persona)
            return self._sessions.begin(tx, session_id, new, greeting=persona.profile.opening_line)

        try:
            return await self._ledger.write(
                once,
                work,
                owner_id=student.user_id,
                result_id=session_id,
                replay=lambda tx, known: self._own(tx, student, ConversationId(known)),
            )
        except ConstraintViolation as error:
            active = await self.get_active_session(student, client_id)
            raise SessionActiveError(active.id if active else None) from error

    async def get_active_session(self, student: Principal, client_id: PersonaId) -> Conversation | None:
        """The student's active session with this client."""
        return await self._database.read(lambda tx: self._sessions.find_active(tx, student.user_id, client_id))

    async def list_of(
        self,
        student: Principal,
        *,
        client_id: PersonaId | None = None,
        status: ConversationStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Conversation]:
        """The student's sessions, newest first."""
        wanted = SessionFilter(owner_id=student.user_id, persona_id=client_id, status=status)
        return await self._sessions.list_of(wanted, cursor=cursor, limit=limit)

    async def send_message(
        self, session_id: ConversationId, content: Content, user: Principal, *, once: Once | None = None
    ) -> Message:
        """Write what the student says; nobody answers before that is asked for. Raises ConversationNotActiveError."""
        await self._checked(session_id, user)
        message = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=content)
        return await self._conversations.add_message(session_id, message, owner_id=user.user_id, once=once)

    async def get_ai_response(
        self, session_id: ConversationId, user: Principal, *, once: Once | None = None
    ) -> Message:
        """Have the client answer what was said: a durable turn, with one model call.

        Raises NoReplyError when no whole reply came, NothingToAnswerError, TurnInProgressError, OverBudgetError,
        ConversationNotActiveError.
        """
        await self._checked(session_id, user)
        turn = await self._turns.submit(
            NewTurn(conversation_id=session_id, owner_id=user.user_id, role=user.role, content=None, once=once)
        )
        detail = await self._turns.wait(turn)
        if detail.turn.state is not TurnState.COMPLETED or detail.reply is None:
            raise NoReplyError(detail.turn)
        return detail.reply

    async def end_conversation(
        self, session_id: ConversationId, user: Principal, *, once: Once | None = None
    ) -> Conversation:
        """Complete the session: it keeps its history and takes no more messages. Idempotent."""
        await self._checked(session_id, user)
        return await self._conversations.end(session_id, owner_id=user.user_id, once=once)

    # ── inside ──

    def _new_session(self, student: Principal, persona: Persona) -> NewConversation:
        profile = persona.profile
        return NewConversation(
            owner_id=student.user_id,
            type=SESSION_TYPE,
            title=profile.name,
            system_prompt=self._personas.generate_system_prompt(profile),
            model=profile.model,
            persona_id=persona.id,
            persona_version=persona.version,
            has_loans=bool(profile.collection_ids),
            supervisor_id=persona.owner_id,
            sampling=profile.sampling if profile.sampling.as_json() else None,
            window=profile.window,
        )

    async def _checked(self, session_id: ConversationId, user: Principal) -> Conversation:
        return await self._database.read(lambda tx: self._own(tx, user, session_id))

    def _own(self, tx: Tx, user: Principal, session_id: ConversationId) -> Conversation:
        found = self._conversations.owned(tx, session_id, owner_id=user.user_id)
        if found.persona_id is None:
            raise NotASessionError(session_id)
        return found
