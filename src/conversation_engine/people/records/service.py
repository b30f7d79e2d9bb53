"""Taking one's data along, and being forgotten."""

from datetime import datetime
from typing import Final

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.users.errors import UserNotFoundError
from conversation_engine.domains.users.service import AccountService
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.wiping import WIPE, WIPE_JOB, Wiper
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.people.records.repo import RecordRepo
from conversation_engine.people.records.types import Erased, ErasedConversation, Rows
from conversation_engine.turns.service import TurnService

ERASED: Final = "conversation.erased"


class RecordService:
    """For oneself, and for admins on behalf of others. Raises RoleForbiddenError, UserNotFoundError."""

    def __init__(
        self,
        database: Database,
        *,
        accounts: AccountService,
        turns: TurnService,
        jobs: JobQueue,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._jobs = jobs
        self._turns = turns
        self._audit = audit
        self._clock = clock
        self._repo = RecordRepo()
        jobs.register(WIPE, Wiper(database))

    async def export(self, caller: Principal, user_id: UserId) -> tuple[datetime, Rows]:
        """Everything that is kept about a person, as of one moment. In memory: O(what there is)."""
        _check(caller, user_id)
        rows = await self._database.read(lambda tx: self._repo.list_of(tx, user_id))
        if not any(rows.values()):
            raise UserNotFoundError(user_id)
        await self._audit.note(Deed(action="user.exported", actor_id=caller.user_id, subject_id=user_id))
        return self._clock.now(), rows

    async def erase(self, caller: Principal, user_id: UserId) -> Erased:
        """Forget a person: all their rows in all tables. It cannot be undone.

        Their sign-ins end, running turns are cancelled, and one transaction removes everything. Students of an erased
        teacher keep their sessions, ended and without the client's instructions. Raises LastAdminError.
        """
        _check(caller, user_id)
        for turn in await self._turns.list_live_of(user_id):
            await self._turns.cancel(turn.conversation_id, turn.id, owner_id=user_id)

        def work(tx: Tx) -> tuple[list[str], dict[str, int]]:
            self._accounts.check_not_last_admin(tx, user_id)
            ended = self._accounts.end_all(tx, user_id)
            rows = self._repo.erase(tx, user_id, at=self._clock.now())
            if not rows:
                raise UserNotFoundError(user_id)
            actor_id = None if caller.user_id == user_id else caller.user_id
            self._audit.record(tx, Deed(action="user.erased", actor_id=actor_id, details={"rows": rows}))
            self._jobs.enqueue(tx, WIPE_JOB)
            return ended, rows

        ended, rows = await self._database.write(work)
        self._jobs.wake()
        self._accounts.revocations.add(ended)
        return Erased(user_id=user_id, rows=rows)

    async def erase_conversation(self, caller: Principal, conversation_id: ConversationId) -> ErasedConversation:
        """Remove one's own conversation from every table, and soon after from indexes and logs.

        A turn that runs is cancelled. Raises ConversationNotFoundError, ConversationForbiddenError.
        """
        owner_id = await self._owner_of(conversation_id)
        if caller.user_id != owner_id:
            raise ConversationForbiddenError(conversation_id)
        return await self._erase_conversation(conversation_id, owner_id=owner_id, actor_id=caller.user_id)

    async def erase_anybodys(self, caller: Principal, conversation_id: ConversationId) -> ErasedConversation:
        """The same with whosever it is, for admins."""
        require_role(caller, Role.ADMIN)
        owner_id = await self._owner_of(conversation_id)
        return await self._erase_conversation(conversation_id, owner_id=owner_id, actor_id=caller.user_id)

    async def _owner_of(self, conversation_id: ConversationId) -> UserId:
        owner_id = await self._database.read(lambda tx: self._repo.find_owner(tx, conversation_id))
        if owner_id is None:
            raise ConversationNotFoundError(conversation_id)
        return owner_id

    async def _erase_conversation(
        self, conversation_id: ConversationId, *, owner_id: UserId, actor_id: UserId
    ) -> ErasedConversation:
        for turn in await self._turns.list_live_of(owner_id):
            if turn.conversation_id == conversation_id:
                await self._turns.cancel(turn.conversation_id, turn.id, owner_id=owner_id)

        rows = await self._database.write(lambda tx: self.remove(tx, conversation_id, actor_id=actor_id))
        if not rows:
            raise ConversationNotFoundError(conversation_id)
        self._jobs.wake()
        return ErasedConversation(conversation_id=conversation_id, rows=rows)

    def remove(self, tx: Tx, conversation_id: ConversationId, *, actor_id: UserId | None) -> dict[str, int]:
        """The same in the transaction of a caller who has checked it; rows by table. Call `JobQueue.wake` then."""
        rows = self._repo.erase_conversation(tx, conversation_id)
        if rows:
            details = {"rows": rows}
            target = f"conversation:{conversation_id}"
            self._audit.record(tx, Deed(action=ERASED, actor_id=actor_id, target=target, details=details))
            self._jobs.enqueue(tx, WIPE_JOB)
        return rows


def _check(caller: Principal, user_id: UserId) -> None:
    if caller.user_id != user_id:
        require_role(caller, Role.ADMIN)
