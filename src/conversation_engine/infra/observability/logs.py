"""Logs: events named `noun.verb_past` with their values as fields, through the standard library's `logging`.

As a library we add no handler and print nothing of our own accord: an embedding product decides. The doors call
`configure`. Field values are ids, codes and numbers; what people said is never one of them, and tracebacks show no
local variables.
"""

import logging
import sys
from typing import Final, Literal, cast

import structlog

from conversation_engine.infra.observability.ecs import EcsFormatter

LogFormat = Literal["text", "ecs"]
ROOT: Final = "conversation_engine"
_PLAIN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module; context that was bound for the request is part of every event."""
    return cast(
        structlog.stdlib.BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.render_to_log_kwargs,
            ],
        ),
    )


def configure(level: str, log_format: LogFormat = "text") -> None:
    """Write our events of `level` and above to standard error, one line each. Idempotent.

    `ecs`: as JSON, and so are the warnings of all other libraries: nothing else is to be between the lines.
    """
    logger = logging.getLogger(ROOT)
    logger.setLevel(level)
    logger.propagate = False
    handler = _Handler()
    handler.setFormatter(EcsFormatter(ours=ROOT) if log_format == "ecs" else EventFormatter())
    for handled in (logger, logging.getLogger()):
        for old in [old for old in handled.handlers if isinstance(old, _Handler)]:
            handled.removeHandler(old)
    logger.addHandler(handler)
    if log_format == "ecs":
        logging.getLogger().addHandler(handler)
        logging.captureWarnings(True)


class _Handler(logging.Handler):
    """Writes to whatever standard error is at the moment. A class of our own, so that it is known again."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")  # one write: lines of several processes do not mix
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as in the library: logging must not break what it tells of
            self.handleError(record)


class EventFormatter(logging.Formatter):
    """`2026-11-21T12:00:00Z INFO turn.recorded state=completed turn_id=…`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of the method it overrides
        fields = {name: value for name, value in vars(record).items() if name not in _PLAIN_FIELDS}
        told = "".join(f" {name}={_quoted(value)}" for name, value in sorted(fields.items()) if value is not None)
        return super().formatMessage(record) + told


def _quoted(value: object) -> str:
    """On one line, whatever it holds."""
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)
