"""What a database server lets in."""

from sqlalchemy import text

from conversation_engine.infra.db.database import Tx


def connection_limit(tx: Tx) -> int | None:
    """How many connections PostgreSQL takes from everybody together; `None`: there is no server."""
    if tx.dialect.name != "postgresql":
        return None
    return int(str(tx.scalar(text("SELECT current_setting('max_connections')"))))
