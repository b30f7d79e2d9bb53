"""The evaluations of windows run. Whether they hold their bars is for `make eval` to say, on a quiet machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


class TestEvaluations:
    @pytest.mark.parametrize(
        ("name", "says"),
        [
            pytest.param("prefixes", "prefixes: reported by llama.cpp", marks=pytest.mark.local_model),
            ("recall", "recall: our own"),
        ],
    )
    def test_each_runs_at_its_smallest_size(self, name: str, says: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CE_")}
        command = [sys.executable, "-m", "evaluation", name, "--tiny"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=115, check=False
        )
        assert done.returncode == 0, done.stderr
        assert says in done.stdout

    def test_talks_of_others_are_measured_from_their_folder(self, tmp_path: Path) -> None:
        talk = (
            '{"conversation_id": "x", "messages": [{"id": "1", "role": "user", "content": "Bees sting."}],'
            ' "questions": [{"question": "Who stings?", "evidence": ["1"]}]}\n'
        )
        (tmp_path / "mine.chats.jsonl").write_text(talk)
        command = [sys.executable, "-m", "evaluation", "recall", "--tiny", "--data", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=115, check=False)
        assert done.returncode == 0, done.stderr
        assert "recall: mine.chats" in done.stdout
