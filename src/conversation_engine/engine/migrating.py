"""Brings a database to this version's schema."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conversation_engine.engine.errors import SchemaMismatchError
from conversation_engine.infra.db.database import Database, Tx

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


async def upgrade(database: Database) -> None:
    """Run every migration that has not run, in one transaction. Idempotent; several processes may start at once."""
    await database.migrate(_upgrade)


async def prepare(database: Database, *, is_embedded: bool) -> None:
    """Make sure that the schema is this version's: migrate an embedded or an empty database, refuse any other.

    A shared database is migrated by the operator (`convo db upgrade`), so that a rolling start never does it by
    surprise. Raises SchemaMismatchError.
    """
    current, head = await revisions(database)
    if current == head:
        return
    if not is_embedded and current is not None:
        raise SchemaMismatchError(current=current, expected=head)
    await upgrade(database)


async def revisions(database: Database) -> tuple[str | None, str | None]:
    """The schema that a database has, `None` where it is empty, and the one that this version wants."""
    return await database.read(_revisions)


def _upgrade(tx: Tx) -> None:
    from alembic import command  # imported here: nothing else needs it, and it takes 0.1 s

    config = _config()
    config.attributes["connection"] = tx
    command.upgrade(config, "head")


def _revisions(tx: Tx) -> tuple[str | None, str | None]:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(tx).get_current_revision(), _head()


@cache
def _head() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
