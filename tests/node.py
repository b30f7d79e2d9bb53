"""Node programs with packages of their own, installed once and kept beside the other tools; git does not know them."""

import asyncio
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / ".tools"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="there is no Node here"
)


async def run_node(sources: Path, script: str, *arguments: str) -> str:
    """What a script of a folder with a `package.json` prints."""
    return await asyncio.to_thread(_run_node, sources, script, *arguments)


def _run_node(sources: Path, script: str, *arguments: str) -> str:
    folder = TOOLS / f"node-{sources.parent.name}"
    _install(sources, folder)
    return _run("node", script, *arguments, folder=folder)


def _install(sources: Path, folder: Path) -> None:
    """Put the packages and scripts there, unless they are; tests of several processes want them at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        for script in sources.glob("*.mjs"):
            _put(script, folder)
        wanted = (sources / "package.json").read_text()
        stamp = folder / "stamp"
        if not stamp.exists() or stamp.read_text() != wanted:
            _put(sources / "package.json", folder)
            options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
            _run("npm", "install", *options, folder=folder)
            stamp.write_text(wanted)


def _put(source: Path, folder: Path) -> None:
    """Copy a file, never seen half by a program that is just starting."""
    half = folder / f".{source.name}"
    shutil.copy(source, half)
    half.replace(folder / source.name)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
