"""A ChatGPT export of a gigabyte, brought in by `convo import` into SQLite: how long it takes, and how much memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import IO, Any

from benchmarks.processes import ROOT, clean_environment
from benchmarks.table import Bar, print_table
from benchmarks.texts import QUESTIONS, REPLIES

SIZES_MB = (30.0, 1000.0)
TINY_MB = (0.2,)
MOST_GROWTH = 1.5
"""Peak memory with the large file over that with the small one, which has everything loaded that there is to load."""
LONGEST = 200
"""Messages of a conversation. The first of each thousand has fifty times as many: that is in memory at once."""
BEGIN = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    megabytes: float
    conversations: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    told: str


def measure(is_tiny: bool) -> list[Bar]:
    """Print time and peak memory for a small file and a large one."""
    runs = [_imported(size) for size in (TINY_MB if is_tiny else SIZES_MB)]
    small, large = runs[0], runs[-1]
    print_table(
        "importing: a ChatGPT export into an empty SQLite database, one process",
        ["", "conversations", "s", "CPU s", "MB/s", "peak MB"],
        [
            [
                f"{run.megabytes:,.1f} MB",
                f"{run.conversations:,}",
                f"{run.seconds:.1f}",
                f"{run.cpu_seconds:.1f}",
                f"{run.megabytes / run.seconds:.2f}",
                f"{run.peak_mb:.0f}",
            ]
            for run in runs
        ],
    )
    print(f"  {large.told}")
    growth = large.peak_mb / small.peak_mb
    return [Bar(name="importing: peak memory, large over small", measured=growth, limit=MOST_GROWTH, unit=" ×")]


def _imported(megabytes: float) -> _Run:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversations.json"
        with path.open("w", encoding="utf-8") as file:
            conversations = write_export(file, megabytes)
        size = path.stat().st_size / 1e6
        convo = Path(sys.executable).parent / "convo"
        environment = clean_environment({"CE_DATA_DIR": folder, "CE_LOG_LEVEL": "WARNING"})
        began = perf_counter()
        command = [str(convo), "import", str(path)]
        with (
            tempfile.TemporaryFile("w+") as said,
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.DEVNULL) as process,
        ):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = perf_counter() - began
            said.seek(0)
            told = said.read().strip()
    if process.returncode != 0 or f" {conversations} conversations added" not in told:
        raise RuntimeError(f"status {process.returncode}: {told}")
    return _Run(
        megabytes=size,
        conversations=conversations,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1024,
        told=told,
    )


def write_export(file: IO[str], megabytes: float) -> int:
    """A file as ChatGPT writes it, at least so large; how many conversations are in it."""
    dice, written, count = Random(7), 0, 0
    for conversation in _conversations(dice, megabytes):
        written += file.write(("[" if count == 0 else ",\n") + json.dumps(conversation))
        count += 1
        if written >= megabytes * 1e6:
            break
    file.write("]\n")
    return count


def _conversations(dice: Random, megabytes: float) -> Iterator[dict[str, Any]]:
    """Of a few to many messages, some with an answer that was given twice, and tools in between."""
    number = 0
    while True:
        number += 1
        length = LONGEST * 50 if number % 1000 == 1 and megabytes > 1 else dice.randint(2, LONGEST)
        keys = [f"{number:08x}-{place:08x}" for place in range(length)]
        mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": keys[:1]}}
        parent = "root"
        for place, key in enumerate(keys):
            mapping[key] = _node(dice, key, parent, place, at=BEGIN + 600 * number + place)
            is_other_answer = place % 2 and dice.random() < 0.1 and place + 1 < length
            parent = parent if is_other_answer else key
        yield {
            "title": f"Conversation {number}",
            "create_time": BEGIN + 600 * number,
            "update_time": BEGIN + 600 * number + length,
            "conversation_id": f"{number:032x}",
            "current_node": keys[-1],
            "mapping": mapping,
        }


def _node(dice: Random, key: str, parent: str, place: int, *, at: float) -> dict[str, Any]:
    role = "assistant" if place % 2 else "user"
    if role == "assistant" and dice.random() < 0.05:
        role = "tool"
    said = dice.choice(QUESTIONS if role == "user" else REPLIES)
    message = {
        "id": key,
        "author": {"role": role, "name": "browser" if role == "tool" else None, "metadata": {}},
        "create_time": at,
        "content": {"content_type": "text", "parts": [said]},
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": {"model_slug": "gpt-4"} if role == "assistant" else {},
        "recipient": "all",
    }
    return {"id": key, "message": message, "parent": parent, "children": []}
