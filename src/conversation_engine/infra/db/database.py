"""The unit-of-work seam: a transaction is a plain function over a connection.

`await database.write(lambda tx: repo.rename(tx, …))` runs the function in one short transaction and commits
before it returns. The function is synchronous on purpose: nothing in it can await a provider, a consumer or a
cache, so no transaction is ever open across one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

T = TypeVar("T")

Tx = Connection
"""An open transaction. Repositories take it first and never commit."""

ConstraintViolation = IntegrityError
"""What a statement raises that breaks a constraint; the transaction is then lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStanding:
    """How busy the connections of one process are."""

    busy: int
    idle: int
    """Open and free."""
    limit: int
    waiting: int
    """Units of work that wait for one."""


class Database(Protocol):
    """Two verbs on either database; safe to call from many tasks at once.

    All of them raise DatabaseUnavailableError when the database is a server and is away.
    """

    @property
    def url(self) -> str:
        """Where the data is, without credentials."""
        ...

    @property
    def pool(self) -> PoolStanding:
        """How busy this process's connections are. No I/O."""
        ...

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one consistent snapshot. May run at the same time as a write."""
        ...

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction: committed when this returns, rolled back when it raises."""
        ...

    async def migrate(self, work: Callable[[Tx], T]) -> T:
        """Run `work`, which changes the schema, in one transaction while no other process does the same."""
        ...

    async def wipe_log(self) -> bool:
        """Let go of what a log of changes beside the data still holds; false while somebody reads from it.

        For deletions that must leave no trace. Nothing to do on PostgreSQL, whose log is the operator's to keep.
        """
        ...

    async def aclose(self) -> None:
        """Finish what is running and let go of every connection. Idempotent."""
        ...
