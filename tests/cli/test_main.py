import subprocess
import sys

from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind
from tests.cli.scenes import Convo

SLOW_TO_IMPORT = ("alembic", "fastapi", "httpx2", "jwt", "pydantic", "rich", "sqlalchemy", "structlog", "uvicorn")


class TestHelp:
    def test_it_lists_the_commands(self, convo: Convo) -> None:
        help_text = convo("--help").stdout
        assert all(command in help_text for command in ("serve", "chat", "token", "db"))

    def test_it_loads_nothing_that_is_slow_to_load(self) -> None:
        program = (
            "import sys\n"
            "from conversation_engine.entrypoints.cli.main import run\n"
            "sys.argv = ['convo', '--help']\n"
            "try: run()\n"
            f"finally: print([name for name in {SLOW_TO_IMPORT!r} if name in sys.modules], file=sys.stderr)\n"
        )
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ended.stderr.strip() == "[]"


class TestExitCodes:
    def test_every_kind_of_failure_has_one_of_its_own(self) -> None:
        assert set(EXIT_CODES) == set(Kind)
        assert len(set(EXIT_CODES.values())) == len(Kind)

    def test_none_of_them_says_success(self) -> None:
        assert all(0 < code < 256 for code in EXIT_CODES.values())


class TestRun:
    def test_a_refusal_is_one_sentence_on_stderr(self, convo: Convo) -> None:
        ended = convo("token", "--ttl", "soon")
        assert ended.returncode == EXIT_CODES[Kind.INVALID]
        assert ended.stdout == ""
        assert ended.stderr.startswith("'soon' is no lifetime.")
        assert ended.stderr.count("\n") == 1

    def test_settings_that_make_no_sense_are_named_without_their_values(self, convo: Convo) -> None:
        ended = Convo(data_dir=convo.data_dir, settings={"CE_PORT": "hush", "CE_SECRET": "hush" * 10})("token")
        assert ended.returncode == EXIT_CODES[Kind.INVALID]
        assert "CE_PORT" in ended.stderr
        assert "hush" not in ended.stderr

    def test_a_database_that_is_away_is_a_sentence_too(self, convo: Convo) -> None:
        away = Convo(data_dir=convo.data_dir, settings={"CE_DATABASE_URL": "postgresql://ada:hush@127.0.0.1:1/none"})
        ended = away("db", "upgrade")
        assert ended.returncode == EXIT_CODES[Kind.UNAVAILABLE]
        assert "Traceback" not in ended.stderr
        assert "hush" not in ended.stderr
