"""What is known of sign-ins that were ended and accounts that were closed.

Read every few seconds, asked at every request: no statement is added to one. A process knows at once of what it did
itself, and of the others' doings within `seconds`. While the database is away the last known list counts; access
tokens end by themselves within minutes then.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from conversation_engine.domains.users.errors import RevokedTokenError
from conversation_engine.infra.chores import Chore
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Whose tokens are refused."""

    sign_in_ids: frozenset[str] = field(default_factory=frozenset)
    user_ids: frozenset[UserId] = field(default_factory=frozenset)


class Revocations:
    """Says no to tokens that were good until somebody ended them."""

    def __init__(self, read: Callable[[], Awaitable[Ended]], *, seconds: float) -> None:
        self._read = read
        self._ended = Ended()
        self._reading = Chore("revocations", self.refresh, seconds=seconds, is_first_at_once=False)

    @staticmethod
    def none() -> "Revocations":
        """Knows of nothing: for an application that has not started and can serve nobody anyway."""

        async def read() -> Ended:
            return Ended()

        return Revocations(read, seconds=1)

    def check(self, principal: Principal) -> None:
        """Raises RevokedTokenError. Two look-ups in sets."""
        ended = self._ended
        if principal.sign_in_id in ended.sign_in_ids or principal.user_id in ended.user_ids:
            raise RevokedTokenError

    def add(self, sign_in_ids: Iterable[str]) -> None:
        """Know at once what this process did."""
        known = self._ended
        self._ended = Ended(sign_in_ids=known.sign_in_ids.union(sign_in_ids), user_ids=known.user_ids)

    async def refresh(self) -> None:
        """Read the list now."""
        self._ended = await self._read()

    async def start(self) -> None:
        """Read it, and go on reading it."""
        await self.refresh()
        self._reading.start()

    async def aclose(self) -> None:
        """Stop. Idempotent."""
        await self._reading.aclose()
