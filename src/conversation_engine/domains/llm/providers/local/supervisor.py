"""Keeps the local model's process alive for as long as the engine is."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from conversation_engine.domains.llm.providers.local.errors import LocalModelUnavailableError
from conversation_engine.domains.llm.providers.local.process import (
    LaunchPlan,
    LocalEndpoint,
    ModelProcess,
    start_model_process,
)
from conversation_engine.domains.llm.providers.local.restarts import RestartHistory
from conversation_engine.domains.llm.providers.local.weights import packaged_model_path, require_runtime
from conversation_engine.infra.observability.logs import get_logger

# Between closing the child's stdin and killing it. It leaves in milliseconds.
_STOP_GRACE_SECONDS = 2.0

_T = TypeVar("_T")

_log = get_logger(__name__)


class LocalModelServer:
    """The small model's process: started on first use, restarted when it dies, gone when the parent is.

    One event loop, any number of tasks: whoever asks while it starts shares that start.
    """

    def __init__(
        self,
        *,
        model_path: Path | None = None,
        context_tokens: int = 8192,
        slots: int = 2,
        threads: int = 1,
        start_timeout_seconds: float = 60.0,
    ) -> None:
        """Describe the process; nothing starts yet.

        model_path: a GGUF file; by default the SmolLM2-135M-Instruct of the `local` extra.
        context_tokens: shared evenly by the slots, prompt and answer together. SmolLM2 was trained on
            8,192 tokens, so `slots * 8192` is the most that makes sense; each 1,000 tokens take 23 MB.
        slots: requests decoded at the same time; further ones wait in the server.
        threads: CPU threads, shared by the slots.
        start_timeout_seconds: from spawn to ready.
        """
        if slots < 1 or threads < 1 or context_tokens < slots:
            raise ValueError("slots and threads start at 1, context_tokens at one for each slot")
        self._model_path = model_path
        self._context_tokens = context_tokens
        self._slots = slots
        self._threads = threads
        self._start_timeout_seconds = start_timeout_seconds
        self._process: ModelProcess | None = None
        self._starting: asyncio.Task[ModelProcess] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._history = RestartHistory()
        self._closed = False

    @property
    def context_tokens_per_request(self) -> int:
        """The window of one request, prompt and answer together: the slots share the context evenly."""
        return self._context_tokens // self._slots

    @property
    def running(self) -> bool:
        """Whether there is a child that can be asked now."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """The child's process id while it is `running`."""
        return self._process.pid if self._process is not None and self._process.running else None

    async def endpoint(self) -> LocalEndpoint:
        """Where the model listens now; starts the child when there is none.

        Ask before each request and do not keep the answer: a restart changes it. A child that died a moment
        ago may still be returned; its port refuses the connection, and asking again gives its successor.
        Raises: `LocalModelUnavailableError` when it cannot be started, or after `aclose`.
        Cost: none while it runs, about a second to start it. A cancelled caller does not cancel the start.
        """
        if self._closed:
            raise LocalModelUnavailableError("The local model has been closed. Create a new server to use it.")
        process = self._process
        if process is None or not process.running:
            process = await self._launch()
        return process.endpoint

    async def aclose(self) -> None:
        """End the child, within 2 seconds by its own hand, then by ours; nothing restarts it. Idempotent."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._process is not None and self._process.running:
            pid = self._process.pid
            await self._process.stop(grace_seconds=_STOP_GRACE_SECONDS)
            _log.info("local_model.stopped", pid=pid)

    async def _launch(self) -> ModelProcess:
        # A shared task, not a lock: under a lock, the first caller's cancellation aborts everybody's start.
        if self._starting is None:
            self._starting = self._spawn_task(self._start())
        starting = self._starting
        await asyncio.wait({starting})
        if starting.cancelled():
            raise LocalModelUnavailableError("The local model was closed while it started.")
        return starting.result()

    async def _start(self) -> ModelProcess:
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        try:
            plan = self._plan()
            process = await start_model_process(plan)
        except LocalModelUnavailableError as error:
            _log.error("local_model.start_failed", reason=str(error))
            raise
        finally:
            self._starting = None
        self._process = process
        _ = self._spawn_task(self._watch(process))
        _log.info(
            "local_model.started",
            pid=process.pid,
            base_url=process.endpoint.base_url,
            model_file=plan.model_path.name,
            context_tokens_per_request=self.context_tokens_per_request,
            load_seconds=round(loop.time() - begun_at, 3),
        )
        return process

    def _plan(self) -> LaunchPlan:
        require_runtime()
        return LaunchPlan(
            model_path=self._model_path or packaged_model_path(),
            context_tokens=self._context_tokens,
            slots=self._slots,
            threads=self._threads,
            timeout_seconds=self._start_timeout_seconds,
        )

    async def _watch(self, process: ModelProcess) -> None:
        returncode, complaint = await process.wait()
        lived_seconds = process.lived_seconds(asyncio.get_running_loop().time())
        self._history = self._history.after_a_life_of(lived_seconds)
        _log.warning("local_model.died", pid=process.pid, returncode=returncode, lived_seconds=round(lived_seconds, 3))
        # At DEBUG because llama.cpp's complaints may quote a prompt.
        _log.debug("local_model.complained", pid=process.pid, stderr=complaint)
        await self._restart_after(process)

    async def _restart_after(self, dead: ModelProcess) -> None:
        # A request that asked for the model meanwhile has started it already: nothing is left to do then.
        while self._process is dead:
            delay_seconds = self._history.delay_seconds
            if delay_seconds is None:
                _log.error("local_model.given_up", instant_deaths=self._history.instant_deaths)
                return
            await asyncio.sleep(delay_seconds)
            if self._process is not dead:
                return
            try:
                await self._launch()
            except LocalModelUnavailableError:  # Logged where it was raised.
                self._history = self._history.after_a_life_of(0.0)

    def _spawn_task(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)
        return task

    def _forget_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Every caller may have been cancelled before a start failed: without this asyncio complains about it.
        if not task.cancelled():
            task.exception()
