"""`make eval` runs alone, and what it prints is measured."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.__main__ import MEASURES
from evaluation.corpora import conversations_in, own_texts
from evaluation.token_counts import _traffics

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evaluation", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


class TestMain:
    @pytest.mark.local_model
    @pytest.mark.slow
    @pytest.mark.parametrize("name", MEASURES)
    def test_each_evaluation_runs_tiny(self, name: str) -> None:
        needs_data = dict.fromkeys(("follow_ups", "rewrites", "topic_shifts"), "not judged")
        ended = run(name, "--tiny")
        assert ended.returncode == 0, ended.stderr
        says = {"token_counts": "median error", "retrieval": "nDCG@10", **needs_data}
        assert says.get(name, "") in ended.stdout
        assert ended.stdout.strip()

    def test_what_there_is_not_is_said(self) -> None:
        assert "no evaluation nonsense" in run("nonsense").stderr
        assert "is no folder" in run("--data", "/nowhere").stderr


class TestCorpora:
    def test_our_own_are_of_many_kinds(self) -> None:
        assert set(own_texts()) >= {"english", "german", "russian", "chinese", "arabic", "code", "json"}

    def test_others_are_read_packed_or_not(self, tmp_path: Path) -> None:
        row = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]})
        (tmp_path / "plain.jsonl").write_text(row + "\n" + row)
        (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(row.encode()))
        (tmp_path / "else.jsonl").write_text('{"a": 1}')
        found = {name: list(talks) for name, talks in conversations_in(tmp_path)}
        assert found == {"plain": [["hi", "ho"]] * 2, "packed": [["hi", "ho"]]}


class TestTokenCounts:
    def test_nothing_that_is_judged_was_seen_before(self) -> None:
        for traffic in _traffics(None):
            past = " ".join(
                message.content for prompt in traffic.past for message in prompt if message.role != "system"
            )
            for prompt in traffic.unseen:
                for message in prompt:
                    pieces = [line for line in message.content.split(". ") if len(line) > 40]
                    assert message.role == "system" or not any(piece in past for piece in pieces)
