import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from conversation_engine.infra.db.copies.backup import back_up
from conversation_engine.infra.db.errors import BackupFailedError
from conversation_engine.kernel.errors import InvalidInputError
from tests.cli.scenes import Convo


class TestUpgrade:
    def test_it_says_which_database_has_the_schema_and_may_be_repeated(self, fresh_convo: Convo) -> None:
        first, second = fresh_convo("db", "upgrade"), fresh_convo("db", "upgrade")
        assert (first.returncode, second.returncode) == (0, 0)
        assert (
            first.stdout
            == second.stdout
            == f"sqlite:///{fresh_convo.data_dir}/conversations.db has this version's schema.\n"
        )

    @pytest.mark.postgres
    def test_it_does_the_same_for_a_shared_database(self, fresh_convo: Convo, database_url: str) -> None:
        shared = Convo(data_dir=fresh_convo.data_dir, settings={"CE_DATABASE_URL": database_url})
        assert [shared("db", "upgrade").returncode for _ in range(2)] == [0, 0]
        assert not (fresh_convo.data_dir / "conversations.db").exists()


class TestCopy:
    def test_it_prints_a_digest_of_every_table(self, convo: Convo, tmp_path: Path) -> None:
        here, there = convo.data_dir / "conversations.db", tmp_path / "b.db"
        shutil.copy(here, there)
        with closing(sqlite3.connect(here, isolation_level=None)) as writer:
            writer.execute("INSERT INTO used_links VALUES ('kept', '2026-01-01 00:00:00')")
        first = convo("db", "copy", f"sqlite:///{here}", f"sqlite:///{there}")
        assert first.returncode == 0, first.stderr
        told = {name: (int(rows), digest) for name, rows, digest in map(str.split, first.stdout.splitlines())}
        assert told["users"] == (0, "0" * 16)
        assert told["used_links"][0] == 1


class TestBackup:
    def test_it_is_whole_while_somebody_writes_and_can_take_the_place(self, convo: Convo, tmp_path: Path) -> None:
        path, database = tmp_path / "backup.db", convo.data_dir / "conversations.db"
        writer = sqlite3.connect(database, isolation_level=None)
        writer.execute("INSERT INTO used_links VALUES ('kept', '2026-01-01 00:00:00')")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO used_links VALUES ('not yet', '2026-01-01 00:00:00')")
        done = convo("db", "backup", str(path))
        assert done.returncode == 0, done.stderr
        writer.close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not list(tmp_path.glob("backup.db-*")) + list(tmp_path.glob("*.part"))
        shutil.rmtree(convo.data_dir)
        convo.data_dir.mkdir()
        shutil.copy(path, database)
        assert convo("export").returncode == 0
        with closing(sqlite3.connect(database)) as restored:
            assert restored.execute("SELECT id FROM used_links").fetchall() == [("kept",)]

    def test_what_cannot_be_backed_up_says_why(self, tmp_path: Path) -> None:
        with pytest.raises(BackupFailedError, match="There is no database at"):
            back_up(f"sqlite:///{tmp_path}/none.db", tmp_path / "a.db")
        with pytest.raises(InvalidInputError, match="pg_dump"):
            back_up("postgresql://nobody@127.0.0.1/x", tmp_path / "a.db")
        assert list(tmp_path.iterdir()) == []
