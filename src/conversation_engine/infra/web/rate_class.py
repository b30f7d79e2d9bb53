"""Which rate a route counts for."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

MARK: Final = "x-rate-class"
SAYS_SOMETHING: Final = {MARK: "messages"}
"""`openapi_extra` of a route that says something or has something answered; others go by their method."""


def rate_class_of(request: Request) -> str:
    """`messages`, `writes` or `reads`."""
    extra: Mapping[str, Any] = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    return str(extra.get(MARK) or ("reads" if request.method in ("GET", "HEAD") else "writes"))
