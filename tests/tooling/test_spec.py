"""The specification's lines name tests, and those exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = (ROOT / "docs/specs/conversation_engine/spec.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)::(\w+)`", SPEC)


def test_every_acceptance_line_names_something() -> None:
    lines = [line for line in SPEC.splitlines() if line.startswith("| ") and "acceptance line" not in line]
    assert len(lines) >= 9
    assert all("`tests/" in line for line in lines)


@pytest.mark.parametrize(("file", "group", "name"), NAMED)
def test_what_it_names_exists(file: str, group: str, name: str) -> None:
    classes = [node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.ClassDef)]
    [found] = [node for node in classes if node.name == group]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in [node.name for node in found.body if isinstance(node, functions)]
