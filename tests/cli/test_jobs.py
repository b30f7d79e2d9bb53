import sqlite3
from contextlib import closing

import pytest

from conversation_engine.entrypoints.cli.jobs import which
from conversation_engine.kernel.errors import InvalidInputError
from tests.cli.scenes import Convo

ROW = "INSERT INTO jobs (id, kind, key, payload, generation, attempts, run_at, error_code, died_at, created_at) "
ID = "01a2024e-d118-773f-864a-d9eaec7d6403"


class TestJobs:
    def test_what_was_given_up_is_shown_and_tried_again(self, convo: Convo) -> None:
        with closing(sqlite3.connect(convo.data_dir / "conversations.db", isolation_level=None)) as writer:
            values = (
                ID.replace("-", ""),
                "outbox",
                "event-7",
                "{}",
                1,
                13,
                "2026-01-01 00:00:00.000000",
                "webhook_failed",
            )
            at = "2026-01-02 03:04:05.000000"
            writer.execute(f"{ROW} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, at, at))
        shown = convo("jobs")
        assert shown.returncode == 0, shown.stderr
        kinds, dead = shown.stdout.splitlines()[1:]
        assert kinds.split() == ["outbox", "0", "0", "1"]
        assert dead == f"{ID}  outbox event-7: webhook_failed, 13 attempts, 2026-01-02 03:04:05Z"
        assert convo("jobs", "retry", ID).stdout == "1 jobs wait again.\n"

    def test_which_must_be_said(self) -> None:
        for wrong in (
            {"ids": None, "kind": None, "is_every": False},
            {"ids": [ID], "kind": "outbox", "is_every": False},
        ):
            with pytest.raises(InvalidInputError):
                which(**wrong)
