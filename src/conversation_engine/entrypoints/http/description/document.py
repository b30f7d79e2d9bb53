"""The document as FastAPI makes it, completed."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from conversation_engine.entrypoints.http.description import events
from conversation_engine.entrypoints.http.description.examples import BODIES
from conversation_engine.entrypoints.openai.error_shape import PREFIX as DIALECT

Json = dict[str, Any]
_STREAM: Final = "text/event-stream"
_CHANGING: Final = frozenset({"post", "put", "patch", "delete"})

_NOT_IN_DIALECT: Final = frozenset({402})

PROBLEM: Final[Json] = {
    "type": "object",
    "description": "RFC 9457. `code` says which problem and never changes its meaning: docs/reference/errors.md has "
    "all. Other members are facts about the case.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for a person that says what to do next."},
        "code": {"type": "string", "pattern": "^[a-z]+(_[a-z]+)*$"},
        "retry_after": {"type": "number", "description": "Seconds to wait."},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"where": {"type": "string"}, "what": {"type": "string"}}},
        },
    },
}
DIALECT_ERROR: Final[Json] = {
    "type": "object",
    "description": "As OpenAI's clients read it. `param` names the field to blame.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
REFUSALS: Final[Mapping[int, tuple[str, str, str]]] = {
    400: (
        "malformed_json",
        "The body is not JSON.",
        "The body is not valid JSON. Check its syntax.",
    ),
    401: ("not_authenticated", "Nobody is signed in.", "Send a token: `Authorization: Bearer …`."),
    402: ("over_budget", "A budget is used up.", "The budget of this month is used up."),
    403: ("conversation_forbidden", "It is somebody else's.", "That conversation belongs to somebody else."),
    404: ("conversation_not_found", "There is no such thing.", "There is no such conversation, or it was deleted."),
    409: (
        "turn_in_progress",
        "Not as things are now.",
        "The conversation is still answering.",
    ),
    413: ("body_too_large", "It is too long.", "The body is longer than this server takes."),
    422: ("invalid_request", "It makes no sense.", "body.title: Input should be a valid string."),
    429: ("rate_limited", "More than is allowed.", "That was more than is allowed at a time. Try again in 5 s."),
    500: ("internal_error", "Our fault.", "Something went wrong on our side. Please try again."),
    502: ("model_unreachable", "A model service failed.", "The model service cannot be reached."),
    503: (
        "database_unavailable",
        "Not at the moment.",
        "The database does not answer. Please try again.",
    ),
}
"""A code for each status, what it means, and a sentence: examples, not a list of all codes."""


def completed(document: Json) -> Json:
    """The same document, with what routes do not say of themselves."""
    components = document["components"]
    components["schemas"] |= {"Problem": PROBLEM, "DialectError": DIALECT_ERROR, **events.SCHEMAS}
    components["responses"] = dict(_responses())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method=method, path=path)
    return document


def _responses() -> Iterator[tuple[str, Json]]:
    for status, (code, meaning, sentence) in REFUSALS.items():
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status, "detail": sentence, "code": code}
        yield f"Problem{status}", _answer(meaning, "application/problem+json", "Problem", problem)
        if status in _NOT_IN_DIALECT:
            continue
        error = {"error": {"message": sentence, "type": "invalid_request_error", "param": None, "code": code}}
        yield f"Dialect{status}", _answer(meaning, "application/json", "DialectError", error)


def _answer(meaning: str, media_type: str, schema: str, example: Json) -> Json:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}
    return {"description": meaning, "content": content}


def _complete(operation: Json, *, method: str, path: str) -> None:
    if "requestBody" in operation and (body := BODIES.get(f"{method.upper()} {path}")) is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = body
    operation.setdefault("security", [])
    if path == "/metrics":
        operation["responses"] |= {str(status): _reference("Problem", status) for status in (401, 403)}
    for response in operation["responses"].values():
        content = response.get("content", {})
        if _STREAM in content:
            content[_STREAM] = events.media_type_of(path)
        if len(content) > 1 and content.get("application/json", {}).get("schema") == {}:
            del content["application/json"]  # FastAPI's guess of a route that makes its answers itself
    if operation["responses"].pop("default", None) is not None:
        family = "Dialect" if path.startswith(DIALECT) else "Problem"
        for status in _refusals(operation, method=method, path=path):
            operation["responses"].setdefault(str(status), _reference(family, status))


def _reference(family: str, status: int) -> Json:
    return {"$ref": f"#/components/responses/{family}{status}"}


def _refusals(operation: Json, *, method: str, path: str) -> list[int]:
    """With which statuses it may be refused, by its form.

    In the dialect 402 is 429, and 422, but for a key that was used for something else, is 400.
    """
    found = {401, 403, 422, 429, 500, 503}
    if "{" in path or "requestBody" in operation or "parameters" in operation:
        found |= {404}
    if method in _CHANGING:
        found |= {409}
    if "requestBody" in operation:
        found |= {400, 413}
    if "x-rate-class" in operation or "test" in path:
        found |= {402, 502}
    if path.startswith(DIALECT):
        found = (found - _NOT_IN_DIALECT) | {400, 502}
        if method not in _CHANGING:
            found -= {422}
    return sorted(found)
