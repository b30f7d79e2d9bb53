"""`convo worker`: the work without the HTTP API."""

import asyncio

from conversation_engine.entrypoints.cli.configuration import load_settings


def worker() -> None:
    """End the turns of processes that died and move waiting ones on, without answering anybody, until Ctrl-C.

    A server does that too: see docs/operations.md for when a process of its own is worth it.
    """
    from conversation_engine.entrypoints.worker.process import work
    from conversation_engine.infra.observability import logs

    settings = load_settings()
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(work(settings))
