"""Bearer tokens. What the HTTP doors do with bad ones is in tests/http/test_access.py."""

from datetime import timedelta

import jwt
import pytest

from conversation_engine.domains.users.errors import ExpiredTokenError, InvalidTokenError, WeakSecretError
from conversation_engine.domains.users.tokens import TokenService
from conversation_engine.kernel.clock import Clock, SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock
from tests.conftest import SECRET

ADA = Principal(user_id=UserId("ada"), role=Role.TEACHER)
HOUR = timedelta(hours=1)


def service(
    secret: str = SECRET, issuer: str = "us", audience: str = "them", clock: Clock | None = None
) -> TokenService:
    return TokenService(secret=secret, issuer=issuer, audience=audience, clock=clock or SystemClock())


class TestIssue:
    def test_what_is_issued_is_verified(self) -> None:
        assert service().verify(service().issue(ADA, lifetime=HOUR)) == ADA

    def test_it_says_no_more_than_it_must(self) -> None:
        token = service().issue(ADA, lifetime=HOUR)
        claims = jwt.decode(token, options={"verify_signature": False})
        assert set(claims) == {"sub", "role", "iss", "aud", "iat", "exp", "jti"}
        assert claims["exp"] - claims["iat"] == 3600
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}

    def test_two_are_never_the_same(self) -> None:
        assert service().issue(ADA, lifetime=HOUR) != service().issue(ADA, lifetime=HOUR)


class TestVerify:
    def test_an_expired_one_says_so(self) -> None:
        with pytest.raises(ExpiredTokenError):
            service().verify(service().issue(ADA, lifetime=timedelta(seconds=-1)))

    @pytest.mark.parametrize("other", [{"secret": "x" * 32}, {"issuer": "x"}, {"audience": "x"}])
    def test_one_of_another_house_is_not_valid_here(self, other: dict[str, str]) -> None:
        with pytest.raises(InvalidTokenError):
            service().verify(service(**other).issue(ADA, lifetime=HOUR))

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\x00", "é", "a" * 100_000])
    def test_garbage_is_not_valid(self, token: str) -> None:
        with pytest.raises(InvalidTokenError):
            service().verify(token)

    def test_nobody_is_more_than_a_student_unless_the_token_says_so(self) -> None:
        token = service().issue(ADA, lifetime=HOUR)
        claims = jwt.decode(token, options={"verify_signature": False})
        del claims["role"]
        assert service().verify(jwt.encode(claims, SECRET, algorithm="HS256")).role is Role.STUDENT

    def test_time_is_the_clocks(self) -> None:
        clock = FakeClock()
        tokens = service(clock=clock)
        token = tokens.issue(ADA, lifetime=HOUR)
        clock.advance(seconds=3599)
        assert tokens.verify(token) == ADA
        clock.advance(seconds=2)
        with pytest.raises(ExpiredTokenError):
            tokens.verify(token)


class TestSecret:
    @pytest.mark.parametrize("secret", ["", "swordfish", "x" * 31])
    def test_one_under_32_bytes_is_refused(self, secret: str) -> None:
        with pytest.raises(WeakSecretError, match="CE_SECRET is too short: use at least 32 random bytes"):
            service(secret=secret)

    def test_bytes_count_not_characters(self) -> None:
        assert service(secret="é" * 16)
