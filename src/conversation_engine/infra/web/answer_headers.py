"""Headers that are to be on a request's answer, whether it is a document, a stream or a refusal."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

_KEY: Final = "conversation_engine.answer_headers"


def put_answer_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Have these sent with whatever is answered."""
    scope[_KEY] = {**answer_headers_of(scope), **headers}


def answer_headers_of(scope: Scope) -> Mapping[str, str]:
    """What was put there."""
    found: Mapping[str, str] = scope.get(_KEY, {})
    return found
