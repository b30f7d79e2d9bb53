"""Node programs with packages of their own, installed once and kept beside the other tools; git does not know them."""

import asyncio
import shutil
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / ".tools"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="there is no Node here"
)


async def run_node(sources: Path, *arguments: str) -> str:
    """What `talk.mjs` of a folder with a `package.json` prints."""
    folder = TOOLS / f"node-{sources.parent.name}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (sources / "package.json").read_text()
    shutil.copy(sources / "talk.mjs", folder)
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.copy(sources / "package.json", folder)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        await _run("npm", "install", *options, folder=folder)
        stamp.write_text(wanted)
    return await _run("node", "talk.mjs", *arguments, folder=folder)


async def _run(*command: str, folder: Path) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-3000:]
    return output.decode()
