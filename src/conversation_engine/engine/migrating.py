"""Brings a database to this version's schema."""

from pathlib import Path
from typing import TYPE_CHECKING

from conversation_engine.infra.db.database import Database, Tx

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


async def upgrade(database: Database) -> None:
    """Run every migration that has not run, in one transaction. Idempotent; several processes may start at once."""
    from alembic import command  # imported here: nothing else needs it, and it takes 0.1 s

    def work(tx: Tx) -> None:
        config = _config()
        config.attributes["connection"] = tx
        command.upgrade(config, "head")

    await database.migrate(work)


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
