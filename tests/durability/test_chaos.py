"""The short version of `make chaos`: each kind of harm once, and a few kills."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_SECONDS = 240.0
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CE_")}
    command = [sys.executable, "-m", "chaos", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE_SECONDS)
        except BaseException:
            process.terminate()  # it ends what it started, which a kill would leave behind
            process.communicate()
            raise
        return subprocess.CompletedProcess(command, process.returncode, output, errors)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(PATIENCE_SECONDS + 30)
class TestChaos:
    @pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
    def test_no_promise_is_broken(self, database: str) -> None:
        done = run("--database", database, "--kills", "2", "--clients", "4", "--pause", "0.5")
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(f"{harm} " in done.stdout for harm in ("kill_server", "stop_server", "freeze_server"))
