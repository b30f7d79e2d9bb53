"""What tests of accounts have in common."""

from collections.abc import Callable

from conversation_engine.domains.users.passwords import Passwords
from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.sign_in.service import SignInService
from conversation_engine.domains.users.tokens import TokenService
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_sign_ins, make_tokens
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock

ROOT = Principal(user_id=UserId("root"), role=Role.ADMIN)
PASSWORD = "correct horse battery"


class PlainHasher:
    """Hashes nothing, and counts what it is asked."""

    def __init__(self) -> None:
        self.verified: list[tuple[str, str]] = []

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify_and_update(self, password: str, hash: str) -> tuple[bool, str | None]:
        self.verified.append((password, hash))
        return hash == f"plain:{password}", None


class Office:
    """Accounts and sign-ins of one process over a database, at a time of the test's choosing."""

    def __init__(self, database: Database, settings: Settings, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.hasher = PlainHasher()
        self.audit = AuditLog(database, clock=self.clock)
        self.accounts = AccountService(
            database, clock=self.clock, settings=settings, passwords=Passwords(self.hasher), audit=self.audit
        )
        self.tokens: TokenService = make_tokens(settings, self.clock)
        self.sign_ins: SignInService = make_sign_ins(
            self.accounts, self.tokens, self.audit, database=database, settings=settings
        )

    def principal_of(self, access_token: str) -> Principal:
        """Whom a token lets in, as far as this process knows."""
        principal = self.tokens.verify(access_token)
        self.accounts.revocations.check(principal)
        return principal


OpenOffice = Callable[..., Office]
