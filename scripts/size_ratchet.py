"""Keep files, functions and parameter lists small.

House style caps a file at 500 lines (tests 800), a function at 60 and its positional parameters at 4; `self`,
`cls` and keyword-only parameters are free. `size_ratchet.json` raises a cap for one place, with a reason:

    {"src/room/file.py": {"limit": 520, "reason": "…"},                lines of the file
     "src/room/file.py:Class.method": {"limit": 70, "reason": "…"},    lines of the function
     "src/room/file.py:Class.method()": {"limit": 5, "reason": "…"}}   its positional parameters

An entry must be exactly as large as its place needs, so the file only shrinks.
"""

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("src", "tests", "scripts", "benchmarks", "chaos", "evaluation")
FILE_LINES = 500
TEST_FILE_LINES = 800
FUNCTION_LINES = 60
POSITIONAL = 4
EXCEPTIONS = Path("scripts/size_ratchet.json")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One measured place: `key` names it as the exceptions do, `unit` says what `value` and `cap` count."""

    key: str
    value: int
    cap: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One entry of the exceptions file: a higher cap and why."""

    limit: int
    reason: str


def positional_parameters(function: Function, *, in_class: bool) -> int:
    """How many arguments a caller may pass by position; `self` and `cls` are not passed by the caller."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    return len(parameters) - (1 if in_class and parameters and not is_static else 0)


def walk_functions(node: ast.AST, outer: str = "", *, in_class: bool = False) -> Iterator[tuple[str, Function, bool]]:
    """Every function below `node`: its dotted name, the function, and whether a class holds it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.ClassDef):
            yield from walk_functions(child, outer, in_class=in_class)
            continue
        name = f"{outer}.{child.name}" if outer else child.name
        if isinstance(child, Function):
            yield name, child, in_class
        yield from walk_functions(child, name, in_class=isinstance(child, ast.ClassDef))


def measure_file(path: str, source: str) -> Iterator[Size]:
    """The sizes of one file and of each function in it."""
    is_test = path.startswith("tests/")
    file_cap = TEST_FILE_LINES if is_test else FILE_LINES
    yield Size(key=path, value=len(source.splitlines()), cap=file_cap, unit="lines")
    for name, function, in_class in walk_functions(ast.parse(source, path)):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        yield Size(key=f"{path}:{name}", value=lines, cap=FUNCTION_LINES, unit="lines")
        count = positional_parameters(function, in_class=in_class)
        yield Size(key=f"{path}:{name}()", value=count, cap=POSITIONAL, unit="positional parameters")


def measure(root: Path) -> dict[str, Size]:
    """The largest size found under each key; overloads and property setters share one."""
    largest: dict[str, Size] = {}
    for file in sorted(file for room in ROOMS for file in (root / room).rglob("*.py")):
        for size in measure_file(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")):
            if size.key not in largest or size.value > largest[size.key].value:
                largest[size.key] = size
    return largest


def complaint_about_size(size: Size, allowance: Allowance | None) -> str | None:
    """What is wrong with one place, or nothing."""
    has = f"{size.key} has {size.value} {size.unit}"
    if allowance is None:
        return f"{has}, the cap is {size.cap}: split it" if size.value > size.cap else None
    if size.value <= size.cap:
        return f"{has}, within the cap of {size.cap}: delete its exception"
    if size.value > allowance.limit:
        return f"{has}, its exception allows {allowance.limit}: split it"
    if size.value < allowance.limit:
        return f"{has}, its exception allows {allowance.limit}: lower the exception to {size.value}"
    if not allowance.reason.strip():
        return f"{size.key} has an exception without a reason"
    return None


def complaints(sizes: dict[str, Size], allowances: dict[str, Allowance]) -> list[str]:
    """Everything that is larger than it may be, and every exception that is larger than it must be."""
    found = [complaint_about_size(size, allowances.get(key)) for key, size in sizes.items()]
    gone = [f"{key} does not exist: delete its exception" for key in allowances if key not in sizes]
    return [complaint for complaint in found if complaint] + gone


def read_allowances(file: Path) -> dict[str, Allowance]:
    """The exceptions by key; a missing file means none."""
    if not file.exists():
        return {}
    entries = json.loads(file.read_text(encoding="utf-8"))
    return {key: Allowance(limit=entry["limit"], reason=entry["reason"]) for key, entry in entries.items()}


def main(root: Path) -> int:
    """Print every complaint; the exit status is 1 if there is one."""
    sizes = measure(root)
    allowances = read_allowances(root / EXCEPTIONS)
    found = complaints(sizes, allowances)
    for complaint in found:
        print(complaint)
    files = sum(":" not in key for key in sizes)
    print(f"size ratchet: {files} files, {len(allowances)} exceptions, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
