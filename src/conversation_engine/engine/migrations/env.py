"""Alembic's entry: migrates the connection that it is handed."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from conversation_engine.engine.metadata import is_modelled, schema
from conversation_engine.infra.db.base import IdType, JsonType, MoneyType, UtcDateTime

_OURS = "conversation_engine.infra.db.base"


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types by their names in new revisions."""
    if kind != "type":
        return False
    for name, is_it in (
        ("IdType", item is IdType or type(item) is type(IdType)),
        ("JsonType", type(item) is type(JsonType)),
        ("MoneyType()", isinstance(item, MoneyType)),
        ("UtcDateTime()", isinstance(item, UtcDateTime)),
    ):
        if is_it:
            autogen.imports.add(f"from {_OURS} import {name.removesuffix('()')}")
            return name
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema(),
    render_as_batch=True,
    render_item=render_item,
    include_name=lambda name, kind, parents: is_modelled(name),
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
