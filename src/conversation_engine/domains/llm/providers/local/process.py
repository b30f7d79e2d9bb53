"""One life of the local model's child process: started, waited for, stopped."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from conversation_engine.domains.llm.providers.local import child
from conversation_engine.domains.llm.providers.local.errors import LocalModelUnavailableError

# What Python, the dynamic linker and llama.cpp need. The engine's own environment holds its providers' keys:
# a process that parses untrusted prompts in C++ gets none of them.
_PASSED_ON: Final = frozenset(
    {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV"}
)
_PASSED_ON_PREFIXES: Final = ("PYTHON", "LC_", "GGML_", "OMP_")
# For a child that said it cannot start: it is on its way out.
_LAST_WORDS_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """Where one child listens. A restarted child has another port and another key.

    Send `Connection: close`, or keep no idle connections: after a stream llama.cpp (2026.10) promises to keep
    the connection and closes it 0.1 ms later. Over a pool, 9 of 40 streams sent back to back failed with
    "Server disconnected without sending a response"; with that header, none.
    """

    base_url: str
    """Ends in `/v1`; on 127.0.0.1."""
    api_key: str = field(repr=False)
    """Goes into `Authorization: Bearer …`; random for each child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """What a child is started with."""

    model_path: Path
    context_tokens: int
    """Shared evenly by the slots."""
    slots: int
    threads: int
    timeout_seconds: float
    """From spawn to ready, the load of the model included."""


class ModelProcess:
    """A child that has reported ready. Made by `start_model_process`."""

    def __init__(self, process: Process, endpoint: LocalEndpoint, *, ready_at: float) -> None:
        self._process = process
        self._ready_at = ready_at
        self.endpoint = endpoint

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the event loop has not yet heard of the child's death (it hears within milliseconds)."""
        return self._process.returncode is None

    def lived_seconds(self, now: float) -> float:
        """How long the child has been ready at `now`, on the event loop's clock."""
        return now - self._ready_at

    async def wait(self) -> tuple[int, str]:
        """Wait for the child's death: its return code (negative: the signal) and the end of its stderr."""
        complaint = await _drain(self._process)
        return await self._process.wait(), complaint

    async def stop(self, *, grace_seconds: float) -> None:
        """End the child: ask by closing its stdin, kill after `grace_seconds`. Idempotent."""
        await _stop(self._process, grace_seconds=grace_seconds)


async def start_model_process(plan: LaunchPlan) -> ModelProcess:
    """Spawn a child and wait until it serves. Cancelled or failed, it leaves no process behind.

    Raises: `LocalModelUnavailableError` when the child dies, refuses, or is not ready in time.
    Cost: 0.1 s for Python and half a second to load SmolLM2-135M, off the event loop.
    """
    api_key = secrets.token_urlsafe(32)
    try:
        process = await _spawn(plan, api_key)
    except OSError as error:
        raise LocalModelUnavailableError(
            f"The local model's process could not be created ({error}). Free memory, processes or open files."
        ) from error
    try:
        port = await _read_port(process, plan)
    except BaseException:
        await _kill(process)
        raise
    endpoint = LocalEndpoint(base_url=f"http://127.0.0.1:{port}/v1", api_key=api_key)
    return ModelProcess(process, endpoint, ready_at=asyncio.get_running_loop().time())


async def _spawn(plan: LaunchPlan, api_key: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # This folder must not come before the standard library on the child's path.
        child.__file__,
        *("--model", str(plan.model_path)),
        *("--context-tokens", str(plan.context_tokens)),
        *("--slots", str(plan.slots)),
        *("--threads", str(plan.threads)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=_child_environment(api_key),
        # Out of the terminal's process group: requests still being answered survive the first Ctrl-C.
        start_new_session=True,
    )


def _child_environment(api_key: str) -> dict[str, str]:
    passed_on = {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return passed_on | {child.API_KEY_VARIABLE: api_key}


async def _read_port(process: Process, plan: LaunchPlan) -> int:
    try:
        async with asyncio.timeout(plan.timeout_seconds):
            line = await _opened(process.stdout).readline()
    except TimeoutError as error:
        raise LocalModelUnavailableError(
            f"The local model was not ready after {plan.timeout_seconds:g} s. Allow it more time to start, "
            f"or less context than {plan.context_tokens} tokens."
        ) from error
    match _parse_report(line):
        case {"port": int(port)}:
            return port
        case {"error": str(reason)}:
            pass
        case _:
            reason = "it did not say why"
    await _stop(process, grace_seconds=_LAST_WORDS_SECONDS)  # Or stderr might never end.
    complaint = " ".join((await _drain(process)).split())
    raise LocalModelUnavailableError(
        f"The local model could not be started from {plan.model_path} ({reason}). Check that the file is "
        f"a complete GGUF model and that there is memory for {plan.context_tokens} tokens of context. "
        f"llama.cpp said: {complaint[:200] or 'nothing'}"
    )


def _parse_report(line: bytes) -> Any:
    try:
        return from_json(line)
    except ValueError:  # Nothing at all, when the child died; or somebody's `sitecustomize` printed first.
        return None


async def _drain(process: Process) -> str:
    """Read stderr to its end, so that the pipe never fills; the last 2,000 characters of it."""
    stderr = _opened(process.stderr)
    tail = b""
    while chunk := await stderr.read(4096):
        tail = (tail + chunk)[-2000:]
    return tail.decode(errors="replace")


def _opened(pipe: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if pipe is None:
        raise RuntimeError("the child was spawned without this pipe")
    return pipe


async def _stop(process: Process, *, grace_seconds: float) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(grace_seconds):
            await process.wait()
    except TimeoutError:
        await _kill(process)


async def _kill(process: Process) -> None:
    if process.returncode is None:
        # Not process.kill(): it reaps a child that has just died, unseen by asyncio, which then
        # warns of an unknown child and reports 255 (https://github.com/python/cpython/issues/87744).
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    await process.wait()
