"""Triggers that note which rows of a table have changed: in the transaction of the change, and only where asked for.

`queue` is a table of `subject`, `subject_id` and `generation`; watched tables have an `id`.
"""

from collections.abc import Mapping

from sqlalchemy import text

from conversation_engine.infra.db.database import Tx

_VERBS = {"INSERT": "new", "UPDATE": "new", "DELETE": "old"}


def watch(tx: Tx, queue: str, tables: Mapping[str, str]) -> None:
    """Note every change of `tables`, each under its subject. Idempotent. Changes the schema."""
    if are_watched(tx, queue, tables):
        return
    if tx.dialect.name == "postgresql":
        tx.execute(text(_FUNCTION.format(queue=queue)))
    for table, subject in tables.items():
        for verb, row in _VERBS.items():
            form = _ON_POSTGRES if tx.dialect.name == "postgresql" else _ON_SQLITE
            name = f"{queue}_{table}_{verb.lower()}"
            tx.exec_driver_sql(form.format(name=name, verb=verb, table=table, queue=queue, subject=subject, row=row))


def unwatch(tx: Tx, queue: str, tables: Mapping[str, str]) -> None:
    """Note nothing any more. Idempotent. Changes the schema."""
    for table in tables:
        for verb in _VERBS:
            on = f" ON {table}" if tx.dialect.name == "postgresql" else ""
            tx.exec_driver_sql(f"DROP TRIGGER IF EXISTS {queue}_{table}_{verb.lower()}{on}")
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"DROP FUNCTION IF EXISTS {queue}_note")


def are_watched(tx: Tx, queue: str, tables: Mapping[str, str]) -> bool:
    """Whether `watch` was done."""
    catalogue = "SELECT tgname FROM pg_trigger" if tx.dialect.name == "postgresql" else _NAMES
    wanted = {f"{queue}_{table}_{verb.lower()}" for table in tables for verb in _VERBS}
    return wanted <= set(tx.scalars(text(catalogue)))


_NAMES = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_NOTE = """
    INSERT INTO {queue} (subject, subject_id, generation) VALUES ({value}, 1)
    ON CONFLICT (subject, subject_id) DO UPDATE SET generation = {queue}.generation + 1;
"""
_ON_SQLITE = (
    "CREATE TRIGGER {name} AFTER {verb} ON {table} BEGIN"
    + _NOTE.replace("{value}", "'{subject}', {row}.id").replace("{queue}.generation", "generation")
    + " END"
)
_ON_POSTGRES = "CREATE TRIGGER {name} AFTER {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {queue}_note('{subject}')"
_FUNCTION = (
    """
    CREATE OR REPLACE FUNCTION {queue}_note() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed uuid;
    BEGIN
        IF TG_OP = 'DELETE' THEN changed = old.id; ELSE changed = new.id; END IF;
    """
    + _NOTE.replace("{value}", "TG_ARGV[0], changed")
    + """
        RETURN NULL;
    END $$
    """
)
