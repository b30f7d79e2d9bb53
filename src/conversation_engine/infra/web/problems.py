"""Errors as RFC 9457 problem details. No exception's text ever gets into one."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from conversation_engine.kernel.errors import EngineError, Kind

MEDIA_TYPE: Final = "application/problem+json"

STATUS_BY_KIND: Final[Mapping[Kind, HTTPStatus]] = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.OVER_BUDGET: HTTPStatus.PAYMENT_REQUIRED,
    Kind.UPSTREAM: HTTPStatus.BAD_GATEWAY,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.CANCELLED: HTTPStatus.CONFLICT,
    Kind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

RESPONSE: Final[Mapping[str, Any]] = {
    "description": "A problem document (RFC 9457). `code` says which and never changes its meaning.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            }
        }
    },
}
"""What every route may answer, for the OpenAPI document."""


def document(status: int, *, code: str, detail: str, facts: Mapping[str, object] | None = None) -> bytes:
    """`type`, `title`, `status`, `detail`, a stable `code`, and facts about the case, which cannot replace those.

    Facts may repeat what the caller sent, half characters included: whatever UTF-8 cannot carry becomes `?`.
    """
    body = {
        **(facts or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    return json.dumps(body, ensure_ascii=False, default=str).encode(errors="replace")


def document_of(error: EngineError) -> bytes:
    """The problem document of one of our errors, where the answer has begun and its status is sent."""
    return document(STATUS_BY_KIND[error.kind], code=error.code, detail=error.detail, facts=error.facts)


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    facts: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that is a problem document: see `document`."""
    body = document(status, code=code, detail=detail, facts=facts)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def problem_of(error: EngineError) -> Response:
    """The answer to one of our errors."""
    status = STATUS_BY_KIND[error.kind]
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="conversation-engine"'
    retry_after = error.facts.get("retry_after")
    if isinstance(retry_after, int | float):
        headers["retry-after"] = str(max(1, round(retry_after)))
    return problem(status, code=error.code, detail=error.detail, facts=error.facts, headers=headers)
