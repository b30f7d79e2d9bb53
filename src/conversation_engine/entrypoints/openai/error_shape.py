"""Failures as clients of the dialect read them: `{"error": {message, type, param, code}}`.

Every door and middleware of ours answers with problem documents; under `/v1` they are translated on their way out,
in this one place, whoever made them.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conversation_engine.infra.web.problems import MEDIA_TYPE, STATUS_BY_KIND
from conversation_engine.kernel.errors import EngineError

PREFIX: Final = "/v1/"
RESPONSES: Final = "/v1/responses"
RETRY_HEADER: Final = "x-should-retry"
"""What the official clients obey before their own rules, by which they repeat 409, 429 and 5xx."""

CODES: Final[Mapping[str, str]] = {
    "not_authenticated": "invalid_api_key",
    "invalid_token": "invalid_api_key",
    "expired_token": "invalid_api_key",
    "revoked_token": "invalid_api_key",
    "unknown_model": "model_not_found",
    "context_too_long": "context_length_exceeded",
    "message_too_long": "context_length_exceeded",
    "over_budget": "insufficient_quota",
    "rate_limited": "rate_limit_exceeded",
    "model_rate_limited": "rate_limit_exceeded",
    "internal_error": "server_error",
}
"""What clients look for by name; all other codes are our own, as docs/reference/errors.md lists them."""
STATUSES: Final[Mapping[str, int]] = {
    "unknown_model": 404,
    "context_too_long": 400,
    "message_too_long": 400,
    "model_bad_request": 400,
    "content_filtered": 400,
    "idempotency_key_reused": 422,
    "malformed_stream": 500,
}
"""By code, where the dialect answers otherwise than its kind would have it."""
_BY_STATUS: Final[Mapping[int, int]] = {402: 429, 422: 400}
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_OPEN_TYPES: Final[Mapping[int, str]] = {401: "invalid_request", 404: "not_found", 429: "too_many_requests"}


def status_of(code: str, status: int) -> int:
    """The status of the dialect for a code of ours and the status of its problem document."""
    return STATUSES.get(code) or _BY_STATUS.get(status, status)


def error_body(
    code: str, detail: str, *, status: int, param: str | None = None, is_open: bool = False
) -> dict[str, Any]:
    """The body of an error; `is_open` for the words of Open Responses. `status` is the dialect's."""
    kind = _open_type(code, status) if is_open else _type(code, status)
    return {"error": {"message": detail, "type": kind, "param": param, "code": CODES.get(code, code)}}


def error_of(error: EngineError, *, is_open: bool = False) -> dict[str, Any]:
    """The body for one of our errors, where the answer has begun."""
    status = status_of(error.code, int(STATUS_BY_KIND[error.kind]))
    return error_body(error.code, error.detail, status=status, param=_param(error.facts), is_open=is_open)


class ErrorShape:
    """Translates the problem documents of everything under `/v1`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        held: Message | None = None
        is_open = scope["path"].startswith(RESPONSES)

        async def translated(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                if MutableHeaders(scope=message).get("content-type") == MEDIA_TYPE:
                    held = message
                    return
            elif held is not None:
                start, held = held, None
                body = _translate(start, message["body"], is_open=is_open)
                await send(start)
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, translated)


def _translate(start: Message, body: bytes, *, is_open: bool) -> bytes:
    """The body in the dialect; `start` is changed to fit. A problem document comes in one piece."""
    problem = json.loads(body)
    code, given = problem["code"], start["status"]
    start["status"] = status = status_of(code, given)
    told = error_body(code, problem["detail"], status=status, param=_param(problem), is_open=is_open)
    translated = json.dumps(told, ensure_ascii=False).encode(errors="replace")
    headers = MutableHeaders(scope=start)
    headers["content-type"] = "application/json"
    headers["content-length"] = str(len(translated))
    if code == "over_budget":
        headers[RETRY_HEADER] = "false"
    return translated


def _param(facts: Mapping[str, Any]) -> str | None:
    if facts.get("field"):
        return str(facts["field"])
    errors = facts.get("errors")
    if not errors:
        return None
    place = str(errors[0]["where"])
    return place.removeprefix("body.").removeprefix("query.") or None


def _type(code: str, status: int) -> str:
    if code == "over_budget":
        return "insufficient_quota"
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


def _open_type(code: str, status: int) -> str:
    if status >= 500:
        return "model_error" if status == 502 else "server_error"
    return _OPEN_TYPES.get(status, "invalid_request")
