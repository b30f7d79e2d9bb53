"""The size ratchet holds its caps, and its exceptions only shrink."""

import json
from pathlib import Path

import pytest

from scripts import size_ratchet

LONG_FUNCTION = "def grow():\n" + "    pass\n" * 64  # 65 lines, 5 above the cap
LONG_FUNCTION_KEY = "src/room.py:grow"


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs the ratchet over one file of a made-up repository; gives its exit status and what it printed."""

    def run(source: str, *, path: str = "src/room.py", **exceptions: int) -> tuple[int, str]:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        entries = {key: {"limit": limit, "reason": "measured"} for key, limit in exceptions.items()}
        write_exceptions(tmp_path, entries)
        return size_ratchet.main(tmp_path), capsys.readouterr().out

    return run


def write_exceptions(root: Path, entries: dict[str, dict[str, object]]) -> None:
    file = root / size_ratchet.EXCEPTIONS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(entries), encoding="utf-8")


class TestCaps:
    @pytest.mark.parametrize(
        ("path", "lines", "status"),
        [
            ("src/room.py", 500, 0),
            ("src/room.py", 501, 1),
            ("scripts/tool.py", 501, 1),
            ("benchmarks/turns.py", 501, 1),
            ("tests/test_room.py", 800, 0),
            ("tests/test_room.py", 801, 1),
        ],
    )
    def test_a_file_ends_at_its_cap(self, check, path, lines, status):
        assert check("x = 1\n" * lines, path=path)[0] == status

    @pytest.mark.parametrize(("lines", "status"), [(60, 0), (61, 1)])
    @pytest.mark.parametrize("opening", ["def grow():", "async def grow():"])
    def test_a_function_ends_at_line_sixty(self, check, opening, lines, status):
        assert check(f"{opening}\n" + "    pass\n" * (lines - 1))[0] == status

    def test_a_nested_function_is_measured_too(self, check):
        inner = "class Room:\n    def enter(self):\n        def grow():\n" + "            pass\n" * 60
        assert "src/room.py:Room.enter.grow has 61 lines" in check(inner)[1]

    @pytest.mark.parametrize(
        ("source", "status"),
        [
            ("def ask(a, b, c, d): ...", 0),
            ("def ask(a, b, c, d, e): ...", 1),
            ("def ask(a, /, b, c, d, e): ...", 1),
            ("def ask(a, *, b, c, d, e, f): ...", 0),
            ("def ask(a, b, c, d, *rest, **options): ...", 0),
            ("class Room:\n    def ask(self, a, b, c, d): ...", 0),
            ("class Room:\n    def ask(self, a, b, c, d, e): ...", 1),
            ("class Room:\n    @classmethod\n    def ask(cls, a, b, c, d): ...", 0),
            ("class Room:\n    @staticmethod\n    def ask(a, b, c, d, e): ...", 1),
        ],
    )
    def test_a_caller_passes_at_most_four_arguments_by_position(self, check, source, status):
        assert check(source)[0] == status


class TestExceptions:
    def test_an_exact_one_raises_the_cap_of_its_place(self, check):
        assert check(LONG_FUNCTION, **{LONG_FUNCTION_KEY: 65})[0] == 0

    def test_parentheses_name_the_parameters(self, check):
        assert check("def ask(a, b, c, d, e): ...", **{"src/room.py:ask()": 5})[0] == 0

    @pytest.mark.parametrize(
        ("key", "limit", "complaint"),
        [
            (LONG_FUNCTION_KEY, 64, "allows 64: split it"),
            (LONG_FUNCTION_KEY, 66, "lower the exception to 65"),
            ("src/room.py", 700, "within the cap of 500: delete its exception"),
            ("src/gone.py", 700, "does not exist: delete its exception"),
        ],
    )
    def test_one_that_does_not_fit_is_a_complaint(self, check, key, limit, complaint):
        status, printed = check(LONG_FUNCTION, **{key: limit})
        assert status == 1
        assert complaint in printed

    def test_one_needs_a_reason(self, check, tmp_path, capsys):
        check(LONG_FUNCTION)
        write_exceptions(tmp_path, {LONG_FUNCTION_KEY: {"limit": 65, "reason": " "}})
        assert size_ratchet.main(tmp_path) == 1
        assert "without a reason" in capsys.readouterr().out


class TestRepository:
    def test_a_clean_tree_says_so(self, tmp_path, capsys):
        assert size_ratchet.main(tmp_path) == 0
        assert capsys.readouterr().out == "size ratchet: 0 files, 0 exceptions, 0 complaints\n"
