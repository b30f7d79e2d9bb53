"""Errors as RFC 9457 problem details. No exception's text ever gets into one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import pydantic_core
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


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    facts: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document: `type`, `title`, `status`, `detail`, a stable `code`, and facts about the case."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **(facts or {}),
    }
    return Response(pydantic_core.to_json(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def problem_of(error: EngineError) -> Response:
    """The problem document of one of our errors."""
    status = STATUS_BY_KIND[error.kind]
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="conversation-engine"'
    retry_after = error.facts.get("retry_after")
    if isinstance(retry_after, int | float):
        headers["retry-after"] = str(max(1, round(retry_after)))
    return problem(status, code=error.code, detail=error.detail, facts=error.facts, headers=headers)
