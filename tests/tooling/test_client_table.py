"""The table of clients names tests that exist, and versions that are pinned."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from client_table import CLIENTS, FEATURES, ClientOfOurs  # noqa: E402 - a script beside the product

sys.path.pop(0)


def names_in(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in body if isinstance(node, kinds)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_what_it_names_exists(client: ClientOfOurs) -> None:
    assert client.version()[0].isdecimal()
    assert {"answer", "stream"} <= set(client.shown_by) <= set(FEATURES)
    for test in set(client.shown_by.values()):
        file, *path = test.split("::")
        body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
        for name in path:
            found = names_in(body)
            assert name in found, test
            body = getattr(found[name], "body", [])
