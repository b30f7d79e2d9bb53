from datetime import timedelta

import jwt
import pytest

from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.cli.errors import BadLifetimeError
from conversation_engine.entrypoints.cli.tokens import parse_lifetime
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.cli.scenes import Convo


class TestToken:
    def test_it_prints_a_token_that_the_server_accepts_and_nothing_else(self, convo: Convo) -> None:
        ended = convo("token")
        tokens = make_tokens(Settings(data_dir=convo.data_dir), SystemClock())
        assert tokens.verify(ended.stdout.strip()) == Principal(user_id=UserId("local"), role=Role.ADMIN)
        assert (ended.returncode, ended.stdout.count("\n"), ended.stderr) == (0, 1, "")

    def test_it_says_who_and_what_and_for_how_long_as_asked(self, convo: Convo) -> None:
        printed = convo("token", "--user", "ada", "--role", "student", "--ttl", "12h").stdout.strip()
        claims = jwt.decode(printed, options={"verify_signature": False})
        assert (claims["sub"], claims["role"]) == ("ada", "student")
        assert claims["exp"] - claims["iat"] == timedelta(hours=12).total_seconds()

    def test_the_secret_made_for_it_is_its_owners_alone(self, convo: Convo) -> None:
        convo("token")
        assert (convo.data_dir / "secret").stat().st_mode & 0o777 == 0o600

    def test_it_refuses_a_user_without_a_name(self, convo: Convo) -> None:
        ended = convo("token", "--user", " ")
        assert (ended.returncode, ended.stdout) == (2, "")

    def test_it_refuses_a_secret_that_can_be_guessed(self, convo: Convo) -> None:
        ended = Convo(data_dir=convo.data_dir, settings={"CE_SECRET": "short"})("token")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "CE_SECRET" in ended.stderr


class TestParseLifetime:
    @pytest.mark.parametrize(
        ("text", "lifetime"),
        [
            ("90s", timedelta(seconds=90)),
            ("15m", timedelta(minutes=15)),
            ("12h", timedelta(hours=12)),
            ("30d", timedelta(days=30)),
            (" 1D ", timedelta(days=1)),
        ],
    )
    def test_it_reads_seconds_minutes_hours_and_days(self, text: str, lifetime: timedelta) -> None:
        assert parse_lifetime(text) == lifetime

    @pytest.mark.parametrize("text", ["", "12", "h", "12x", "-1h", "1.5h", "1h30m", "0s", "3651d", "999999999d", "٣d"])
    def test_it_refuses_everything_else(self, text: str) -> None:
        with pytest.raises(BadLifetimeError):
            parse_lifetime(text)
