"""Snowflake: its tables are fed with MERGE by key. The connector blocks, so it works on a thread."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.insights.warehouse.errors import (
    BadWarehouseError,
    WarehouseFailedError,
    WarehouseMissingError,
)
from conversation_engine.insights.warehouse.types import Batch, MessageRow, SessionRow

T = TypeVar("T")

NUMBERS: Final = frozenset({"login_timeout", "network_timeout", "port"})
OPTIONS: Final = NUMBERS | {
    "authenticator",
    "host",
    "private_key_file",
    "protocol",
    "role",
    "token_file_path",
    "warehouse",
}
PATIENCE: Final = {"login_timeout": 30, "network_timeout": 60, "platform_detection_timeout_seconds": 0}
"""By itself the connector tries for ever, and asks the network on which cloud it runs."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}")
_CREATE: Final = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    """CREATE TABLE IF NOT EXISTS {schema}.message_history (
        message_id VARCHAR DEFAULT UUID_STRING(), session_id VARCHAR NOT NULL, role VARCHAR NOT NULL,
        content VARIANT NOT NULL, timestamp TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP(), metadata VARIANT,
        PRIMARY KEY (message_id))""",
    """CREATE TABLE IF NOT EXISTS {schema}.sessions (
        session_id VARCHAR PRIMARY KEY, created_at TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP(),
        last_updated TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP(), user_id VARCHAR, context VARIANT)""",
)
_SESSIONS: Final = {
    "session_id": "column1",
    "created_at": "column2::TIMESTAMP_LTZ",
    "last_updated": "column3::TIMESTAMP_LTZ",
    "user_id": "column4",
    "context": "PARSE_JSON(column5)",
}
_MESSAGES: Final = {
    "message_id": "column1",
    "session_id": "column2",
    "role": "column3",
    "content": "PARSE_JSON(column4)",
    "timestamp": "column5::TIMESTAMP_LTZ",
    "metadata": "PARSE_JSON(column6)",
}
_log = get_logger(__name__)


class SnowflakeWarehouse:
    """A `Warehouse`. Connects when it is first used, and anew after a failure."""

    def __init__(self, url: SecretStr) -> None:
        """Raises BadWarehouseError."""
        self._options, self._schema = parsed(url.get_secret_value())
        self._connection: Any = None
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        await self._run(lambda cursor: [cursor.execute(one.format(schema=self._schema)) for one in _CREATE])

    async def carry(self, batch: Batch) -> None:
        def work(cursor: Any) -> None:
            _merge(cursor, f"{self._schema}.sessions", _SESSIONS, [_session(one) for one in batch.sessions])
            _merge(cursor, f"{self._schema}.message_history", _MESSAGES, [_message(one) for one in batch.messages])
            _delete(cursor, f"{self._schema}.message_history", "message_id", batch.gone_messages)
            _delete(cursor, f"{self._schema}.message_history", "session_id", batch.gone_sessions)
            _delete(cursor, f"{self._schema}.sessions", "session_id", batch.gone_sessions)

        await self._run(work)

    async def count(self) -> tuple[int, int]:
        def work(cursor: Any) -> tuple[int, int]:
            counts = []
            for table in ("sessions", "message_history"):
                [[rows]] = cursor.execute(f"SELECT count(*) FROM {self._schema}.{table}").fetchall()  # noqa: S608
                counts.append(int(rows))
            return counts[0], counts[1]

        return await self._run(work)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await asyncio.to_thread(connection.close)

    async def _run(self, work: Callable[[Any], T]) -> T:
        async with self._turn:
            try:
                return await asyncio.to_thread(self._work, work)
            except WarehouseMissingError:
                raise
            except Exception as error:
                _log.warning("warehouse.failed", error=type(error).__name__, cause=_cause(error))
                await self.aclose()  # the next one begins anew
                raise WarehouseFailedError from error

    def _work(self, work: Callable[[Any], T]) -> T:
        try:
            from snowflake import connector
        except ImportError as error:
            raise WarehouseMissingError("Install what talks to Snowflake: conversation-engine[snowflake].") from error
        if self._connection is None:
            self._connection = connector.connect(**(PATIENCE | self._options))
        with self._connection.cursor() as cursor:
            return work(cursor)


def parsed(url: str) -> tuple[dict[str, Any], str]:
    """What the connector is told, and `DATABASE.SCHEMA`. Raises BadWarehouseError."""
    parts = urlsplit(url)
    names = [name for name in parts.path.split("/") if name]
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if parts.scheme != "snowflake" or not parts.netloc or not all(_NAME.fullmatch(name) for name in names) or not names:
        raise BadWarehouseError(
            "CE_WAREHOUSE_URL is not snowflake://USER:PASSWORD@ACCOUNT/DATABASE/SCHEMA.", field="warehouse_url"
        )
    if unknown := options.keys() - OPTIONS:
        raise BadWarehouseError(f"CE_WAREHOUSE_URL has no option {min(unknown)!r}.", field="warehouse_url")
    credentials, _, account = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options |= {"account": account, "user": unquote(user)}
    if password:
        options["password"] = unquote(password)
    for name in NUMBERS & options.keys():
        if not options[name].isdecimal():
            raise BadWarehouseError(f"CE_WAREHOUSE_URL: {name} is no number.", field="warehouse_url")
        options[name] = int(options[name])
    options |= {"database": names[0], "schema": names[1] if len(names) > 1 else "conversations"}
    return options, f"{options['database']}.{options['schema']}"


def _merge(cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    key = next(iter(columns))
    one = f"({', '.join(['%s'] * len(columns))})"
    chosen = ", ".join(f"{how} AS {name}" for name, how in columns.items())
    changed = ", ".join(f"{name} = s.{name}" for name in columns if name != key)
    cursor.execute(
        f"MERGE INTO {table} AS t USING (SELECT {chosen} FROM VALUES {', '.join([one] * len(rows))}) AS s "  # noqa: S608
        f"ON t.{key} = s.{key} WHEN MATCHED THEN UPDATE SET {changed} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({', '.join(f's.{name}' for name in columns)})",
        [value for row in rows for value in row],
    )


def _delete(cursor: Any, table: str, column: str, ids: Sequence[str]) -> None:
    if ids:
        marks = ", ".join(["%s"] * len(ids))
        cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", list(ids))  # noqa: S608 - names are ours


def _session(row: SessionRow) -> tuple[Any, ...]:
    times = row.created_at.isoformat(), row.last_updated.isoformat()
    return (row.session_id, *times, row.user_id, _json(row.context))


def _message(row: MessageRow) -> tuple[Any, ...]:
    said = _json(row.content), row.timestamp.isoformat(), _json(row.metadata)
    return (row.message_id, row.session_id, row.role, *said)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _cause(error: Exception) -> str:
    """Snowflake's number and state: its sentences repeat what was said."""
    return f"{getattr(error, 'errno', None)} {getattr(error, 'sqlstate', None)}"
