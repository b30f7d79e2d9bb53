"""How failures leave the service: problem details, whatever went wrong."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from conversation_engine.infra.web.problems import problem, problem_of
from conversation_engine.kernel.errors import EngineError, InternalError

_log = structlog.get_logger()
_SENTENCES = {
    404: ("no_such_route", "There is nothing at this address. `/docs` lists what there is."),
    405: ("method_not_allowed", "This address does not take that method. `/docs` lists what it takes."),
}


def install(app: FastAPI) -> None:
    """Make every error a problem document."""
    app.add_exception_handler(EngineError, _on_engine_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_crash)


async def _on_engine_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, EngineError):
        raise error
    return problem_of(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(400, code="malformed_json", detail="The body is not valid JSON. Check its syntax.")
    # Never the input itself: it may be secret, huge, or not encodable.
    errors = [{"where": ".".join(map(str, item["loc"])), "what": item["msg"]} for item in found[:20]]
    detail = f"{errors[0]['where']}: {errors[0]['what']}." if errors else "The request is not valid."
    return problem(422, code="invalid_request", detail=_encodable(detail), facts={"errors": errors})


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code, detail = _SENTENCES.get(error.status_code, ("bad_request", "The request cannot be read. Check its body."))
    return problem(error.status_code, code=code, detail=detail, headers=error.headers)


async def _on_crash(request: Request, error: Exception) -> Response:
    _log.error("request.crashed", path=request.url.path, method=request.method, error=type(error).__name__)
    return problem_of(InternalError())


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
