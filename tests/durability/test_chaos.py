"""The short version of `make chaos`: each kind of harm once, and a few kills."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CE_")}
    command = [sys.executable, "-m", "chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.slow
@pytest.mark.crash
class TestChaos:
    @pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
    def test_no_promise_is_broken(self, database: str) -> None:
        done = run("--database", database, "--kills", "2", "--clients", "4", "--pause", "0.5")
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(f"{harm} " in done.stdout for harm in ("kill_server", "stop_server", "freeze_server"))
