"""What SQLAlchemy compiles for one engine serves every engine of the process that speaks to the same kind of database.

Each engine makes a dialect of its own, and compiled statements are kept by dialect: the first turn of a further engine
spent half of its CPU on compiling once more what the process had compiled already: docs/decisions/0007.
"""

from functools import cache
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine.interfaces import CompiledCacheType
from sqlalchemy.util import LRUCache

KEPT_STATEMENTS = 500
"""SQLAlchemy's own number for one engine."""

Server = tuple[str | int | None, ...]


def share_compiled(engine: Engine) -> None:
    """Let it use, and add to, what was compiled for others. Call it before anything is made from `engine`."""
    server = _server_of(engine)
    known = _dialects()
    if server in known:
        engine.dialect = known[server]
    else:
        event.listen(engine, "connect", _keep(engine.dialect, server))
    engine.update_execution_options(compiled_cache=_statements())


def _server_of(engine: Engine) -> Server:
    """Engines with the same have the same version on the other side, and the same user."""
    url = engine.url
    if engine.dialect.name == "sqlite":
        return (url.drivername,)
    return (url.drivername, url.username, url.host, url.port, *sorted(map(str, url.query.items())))


def _keep(dialect: Dialect, server: Server) -> Any:
    """Offer it to the engines to come; only now, as it learns from its first connection what the server can."""

    def keep(_connection: object, _record: object) -> None:
        _dialects().setdefault(server, dialect)

    return keep


@cache
def _dialects() -> dict[Server, Dialect]:
    return {}


@cache
def _statements() -> CompiledCacheType:
    return LRUCache(KEPT_STATEMENTS)
