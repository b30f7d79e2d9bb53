import pytest

from tests.cli.scenes import Convo
from tests.conftest import ValkeyHandle
from tests.engine.test_leaving_redis import fill


@pytest.mark.valkey
class TestRedisSessions:
    def test_it_reports_and_says_what_was_left_out(self, convo: Convo, valkey: ValkeyHandle) -> None:
        valkey.command("FLUSHDB")
        fill(valkey)
        done = convo("migrate", "redis-sessions", valkey.url, "--dry-run")
        valkey.command("FLUSHDB")
        assert done.returncode == 65
        assert done.stdout.startswith("6 keys of 2 users: 4 conversations would be added, 0 extended")
        assert "session:broken: It is no conversation." in done.stderr
