"""The form that a reply is asked to have."""

from typing import Any

from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError

KINDS = ("json_object", "json_schema")


def checked_format(wanted: dict[str, Any] | None, *, field: str) -> dict[str, Any] | None:
    """As it is passed to the model's service, which knows what it can do; `None` for plain text.

    Raises UnsupportedFieldError or BadFieldError.
    """
    if wanted is None or wanted.get("type") == "text":
        return None
    kind = wanted.get("type")
    if kind not in KINDS:
        raise UnsupportedFieldError(f"{field}.type", f"formats of the kind {str(kind)[:50]!r}")
    if kind == "json_object":
        return {"type": kind}
    schema = wanted.get("json_schema")
    if not isinstance(schema, dict) or not isinstance(schema.get("name"), str):
        raise BadFieldError(f"{field}.json_schema", f"`{field}.json_schema` must have a `name` and a `schema`.")
    return {"type": kind, "json_schema": schema}


def chat_format(wanted: dict[str, Any] | None, *, field: str) -> dict[str, Any] | None:
    """The same of the form that Responses write, where a schema stands beside its type."""
    if wanted is None or wanted.get("type") != "json_schema":
        return checked_format(wanted, field=field)
    schema = {name: value for name, value in wanted.items() if name != "type" and value is not None}
    return checked_format({"type": "json_schema", "json_schema": schema}, field=field)


def text_format(passed: Any) -> dict[str, Any]:
    """What was passed to the model's service, as Responses write it."""
    if not passed:
        return {"type": "text"}
    return {"type": passed["type"], **passed.get("json_schema", {})}
