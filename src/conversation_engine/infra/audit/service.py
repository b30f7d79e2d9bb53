"""Writing deeds down, and reading them."""

from uuid import UUID

from conversation_engine.infra.audit.repo import AuditRepo
from conversation_engine.infra.audit.types import AuditEvent, AuditFilter, Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import check_sought


class AuditLog:
    """The door to the audit log."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repo = AuditRepo()

    def record(self, tx: Tx, deed: Deed) -> None:
        """Write it down in the caller's transaction: neither stands without the other. One statement."""
        self._repo.insert(tx, new_id(), deed, at=self._clock.now())

    async def note(self, deed: Deed) -> None:
        """Write it down by itself. One short transaction."""
        await self._database.write(lambda tx: self.record(tx, deed))

    async def list_of(
        self, caller: Principal, wanted: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditEvent]:
        """Deeds, newest first. For admins. Raises InvalidTextError and InvalidCursorError."""
        require_role(caller, Role.ADMIN)
        check_sought(actor_id=wanted.actor_id, subject_id=wanted.subject_id, action=wanted.action)
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        rows = await self._database.read(lambda tx: self._repo.list_of(tx, wanted, cursor=at, count=limit + 1))
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))
