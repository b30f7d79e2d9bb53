"""How failures leave the service: problem details, whatever went wrong."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from conversation_engine.infra.web.problems import problem, problem_of
from conversation_engine.kernel.errors import EngineError

MALFORMED = ("malformed_json", "The body is not valid JSON. Check its syntax and that it is UTF-8.")
WHERE_LIMIT_CHARACTERS = 200
"""A place in the body may name a field of the caller's, and so be as long as the body."""
_SENTENCES = {
    400: MALFORMED,
    404: ("no_such_route", "There is nothing at this address. `/docs` lists what there is."),
    405: ("method_not_allowed", "This address does not take that method. `/docs` lists what it takes."),
}


def install(app: FastAPI) -> None:
    """Make every failure that has a reason a problem document; see `CrashGuard` for the others."""
    app.add_exception_handler(EngineError, _on_engine_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_engine_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, EngineError):
        raise error
    return problem_of(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        code, detail = MALFORMED
        return problem(400, code=code, detail=detail)
    # Never the input itself: it may be secret, huge, or not encodable.
    errors = [{"where": _where(item["loc"]), "what": item["msg"]} for item in found[:20]]
    detail = f"{errors[0]['where']}: {errors[0]['what']}." if errors else "The request is not valid."
    return problem(422, code="invalid_request", detail=detail, facts={"errors": errors})


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code, detail = _SENTENCES.get(error.status_code, ("bad_request", "The request cannot be read. Check its body."))
    return problem(error.status_code, code=code, detail=detail, headers=error.headers)


def _where(place: tuple[str | int, ...]) -> str:
    return ".".join(map(str, place))[:WHERE_LIMIT_CHARACTERS]
