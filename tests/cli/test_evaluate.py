"""`convo eval persona`."""

import json
from pathlib import Path

import pytest

from tests.cli.scenes import Convo


@pytest.mark.local_model
@pytest.mark.slow
def test_the_local_model_is_checked_from_end_to_end(convo: Convo, tmp_path: Path) -> None:
    profile = {"name": "Maria", "difficulty": "hard", "sampling": {"max_tokens": 8, "temperature": 0}}
    (tmp_path / "maria.json").write_text(json.dumps(profile))
    out = tmp_path / "maria.html"
    told = convo("eval", "persona", str(tmp_path / "maria.json"), "--only", "stops", "--out", str(out))
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("Maria, played by local: ")
    assert "0 broken off" in told.stdout
    assert out.read_text().count("<section>") == 1


@pytest.mark.parametrize("text", ["", "[]", '{"name": 7}', '{"name": "x", "nonsense": 1}'])
def test_a_file_that_is_no_profile_is_told(convo: Convo, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    told = convo("eval", "persona", str(tmp_path / "bad.json"))
    assert (told.returncode, "no profile" in told.stderr) == (2, True)


def test_strict_ends_with_one_when_something_failed(quick_convo: Convo, tmp_path: Path) -> None:
    (tmp_path / "sam.json").write_text('{"name": "Sam"}')
    command = ("eval", "persona", str(tmp_path / "sam.json"), "--out", str(tmp_path / "sam.html"))
    assert quick_convo(*command).returncode == 0
    told = quick_convo("cost", "--json")
    assert json.loads(told.stdout)["total"]["calls"] > 10
    assert quick_convo(*command, "--strict").returncode == 1
