"""Logs as JSON, one event a line, in the names of the Elastic Common Schema.

Ours rather than ecs-logging's: that one says ecs.version 1.6, leaves fields of other names beside the schema's and puts
ours where the schema may one day put its own. What is left of it is this.
"""

import json
import logging
import math
import os
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

ECS_VERSION: Final = "9.4.0"
SERVICE: Final = "conversation-engine"
DATASET: Final = "conversation_engine"
"""As in the name of the data stream, which takes no hyphen."""
OWN: Final = "convo."
"""Before fields that the schema has no name for: it promises never to use what begins like that."""
FOREIGN: Final = "log.written"
"""The action of what other libraries log."""

FIELDS: Final[Mapping[str, str]] = {
    "@timestamp": "date",
    "ecs.version": "keyword",
    "error.code": "keyword",
    "error.message": "match_only_text",
    "error.stack_trace": "wildcard",
    "error.type": "keyword",
    "event.action": "keyword",
    "event.dataset": "keyword",
    "event.id": "keyword",
    "host.hostname": "keyword",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "log.level": "keyword",
    "log.logger": "keyword",
    "message": "match_only_text",
    "process.pid": "long",
    "service.name": "keyword",
    "service.version": "keyword",
    "trace.id": "keyword",
    "url.path": "wildcard",
    "user.id": "keyword",
}
"""The schema's fields that we use, and their types there."""

_NAMES: Final = {
    "cause": "error.message",
    "event_id": "event.id",
    "method": "http.request.method",
    "owner_id": "user.id",
    "path": "url.path",
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "user_id": "user.id",
}
_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class EcsFormatter(logging.Formatter):
    """`{"@timestamp": …, "event.action": "turn.recorded", "convo.turn_id": …}`"""

    def __init__(self, *, ours: str) -> None:
        """`ours`: how the names of loggers begin whose messages are events."""
        super().__init__()
        self._ours = ours
        self._always = {
            "ecs.version": ECS_VERSION,
            "service.name": SERVICE,
            "service.version": own_version(),
            "event.dataset": DATASET,
            "host.hostname": socket.gethostname(),
        }

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the fields hold."""
        told = record.getMessage()
        is_ours = record.name == self._ours or record.name.startswith(f"{self._ours}.")
        line: dict[str, object] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "log.level": record.levelname.lower(),
            "message": told,
            **self._always,
            "event.action": told if is_ours else FOREIGN,
            "log.logger": record.name,
            "process.pid": os.getpid(),
        }
        if is_ours:
            line.update(_fields(record))
        if record.exc_info and record.exc_info[0] is not None:
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    for name, value in vars(record).items():
        if name in _OF_EVERY_RECORD or value is None:
            continue
        if name == "error":  # one of our codes, or the name of a class
            yield ("error.type" if str(value)[:1].isupper() else "error.code"), str(value)
        else:
            yield _NAMES.get(name, OWN + name), _plain(value)


def _plain(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def own_version() -> str:
    """As it was installed."""
    try:
        return version(SERVICE)
    except PackageNotFoundError:  # run from its sources
        return "unknown"
