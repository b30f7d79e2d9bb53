"""Runs the reading process within its limits."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from conversation_engine.domains.retrieval.parsing.outcome import Parsed, document_error
from conversation_engine.domains.retrieval.settings import RetrievalSettings
from conversation_engine.domains.retrieval.types import DocumentError, NewChunk

_CHILD: Final = Path(__file__).with_name("child.py")
_AT_ONCE: Final = 2


class DocumentParser:
    """Files as passages. Blocks nothing: each is read in a process that ends with it."""

    def __init__(self, settings: RetrievalSettings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def parse(self, content: bytes, *, name: str) -> Parsed | DocumentError:
        """The passages of a file, or why there are none. Never raises for what is in the file."""
        async with self._free:
            return await self._parse(content, name=name)

    async def _parse(self, content: bytes, *, name: str) -> Parsed | DocumentError:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_CHILD),
            *self._options(name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        )
        try:
            async with asyncio.timeout(self._settings.parse_timeout_seconds):
                answer, _ = await child.communicate(content)
        except TimeoutError:
            return document_error("document_too_slow")
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return _outcome(answer)

    def _options(self, name: str) -> list[str]:
        settings = self._settings
        options = {
            "--name": "file." + name.rpartition(".")[2][:10],
            "--memory-bytes": settings.parse_memory_bytes,
            "--cpu-seconds": int(settings.parse_timeout_seconds) + 1,
            "--page-limit": settings.document_limit_pages,
            "--text-limit": settings.document_limit_characters,
            "--chunk-limit": settings.chunk_limit_characters,
        }
        return [f"{key}={value}" for key, value in options.items()]


def _outcome(answer: bytes) -> Parsed | DocumentError:
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError:  # it was ended by the kernel: out of memory or of time
        return document_error("document_too_complex")
    if "error" in said:
        return document_error(said["error"])
    return Parsed(
        chunks=[
            NewChunk(
                ordinal=chunk["ordinal"],
                text=chunk["text"],
                heading=chunk["heading"],
                start_offset=chunk["start"],
                end_offset=chunk["end"],
                page=chunk["page"],
            )
            for chunk in said["chunks"]
        ],
        page_count=said["pages"],
        media_type=said["media_type"],
    )
