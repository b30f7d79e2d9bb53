"""The programs in the guides run as they stand, in a process of their own, with the real small model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.local_model, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    pytest.param(program, id=f"{page}-{number}")
    for page in ("README.md", "docs/embedding.md")
    for number, program in enumerate(PROGRAM.findall((ROOT / page).read_text(encoding="utf-8")), start=1)
]


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_runs(program: str, tmp_path: Path) -> None:
    environment = os.environ | {"CE_DATA_DIR": str(tmp_path / "data"), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
