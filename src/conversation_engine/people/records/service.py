"""Taking one's data along, and being forgotten."""

from datetime import datetime

from conversation_engine.domains.users.errors import UserNotFoundError
from conversation_engine.domains.users.service import AccountService
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.people.records.repo import RecordRepo
from conversation_engine.people.records.types import Erased, Rows
from conversation_engine.turns.service import TurnService


class RecordService:
    """For oneself, and for admins on behalf of others. Raises RoleForbiddenError, UserNotFoundError."""

    def __init__(
        self, database: Database, *, accounts: AccountService, turns: TurnService, audit: AuditLog, clock: Clock
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._turns = turns
        self._audit = audit
        self._clock = clock
        self._repo = RecordRepo()

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
            return ended, rows

        ended, rows = await self._database.write(work)
        self._accounts.revocations.add(ended)
        return Erased(user_id=user_id, rows=rows)


def _check(caller: Principal, user_id: UserId) -> None:
    if caller.user_id != user_id:
        require_role(caller, Role.ADMIN)
