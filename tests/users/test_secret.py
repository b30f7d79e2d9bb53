"""The secret of a laptop."""

import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conversation_engine.domains.users.secret import local_secret

MAKE_ONE = """
import sys, time
from pathlib import Path
from conversation_engine.domains.users.secret import local_secret
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(local_secret(Path(sys.argv[1])))
"""


class TestLocalSecret:
    def test_it_is_its_owners_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            local_secret(tmp_path / "data")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700

    def test_it_stays_the_same_across_starts(self, tmp_path: Path) -> None:
        first = local_secret(tmp_path)
        assert local_secret(tmp_path) == first
        assert len(bytes.fromhex(first)) == 32
        assert [path.name for path in tmp_path.iterdir()] == ["secret"], "nothing is left beside it"

    def test_two_folders_have_two(self, tmp_path: Path) -> None:
        assert local_secret(tmp_path / "a") != local_secret(tmp_path / "b")

    def test_processes_that_start_at_once_agree(self, tmp_path: Path) -> None:
        at = str(time.time() + 1.0)
        command = [sys.executable, "-c", MAKE_ONE, str(tmp_path), at]
        starting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        secrets = {process.communicate(timeout=30)[0].strip() for process in starting}
        assert secrets == {(tmp_path / "secret").read_text()}
        assert [path.name for path in tmp_path.iterdir()] == ["secret"]

    def test_threads_of_one_process_agree_too(self, tmp_path: Path) -> None:
        """As two containers do that share the folder: each is process 1 of its own."""
        with ThreadPoolExecutor(16) as pool:
            for attempt in range(20):
                folder = tmp_path / str(attempt)
                secrets = set(pool.map(local_secret, [folder] * 16))
                assert secrets == {(folder / "secret").read_text()}

    def test_a_folder_that_cannot_be_written_is_an_error_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("a file")
        with pytest.raises(FileExistsError):
            local_secret(tmp_path / "data")
