"""How a turn that did not complete is told of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from conversation_engine.entrypoints.openai.error_shape import STATUSES, error_body
from conversation_engine.turns.types import Turn, TurnError, TurnState

_BY_CODE: Final[Mapping[str, int]] = {
    **STATUSES,
    "model_rate_limited": 429,
    "model_circuit_open": 503,
    "model_busy": 503,
    "internal_error": 500,
}
_UPSTREAM: Final = 502
_STOPPED: Final[Mapping[TurnState, TurnError]] = {
    TurnState.CANCELLED: TurnError(code="turn_cancelled", detail="The reply was stopped before its end."),
    TurnState.INTERRUPTED: TurnError(code="turn_interrupted", detail="The reply was cut before its end."),
}
_UNTOLD: Final = TurnError(code="internal_error", detail="Something went wrong on our side. Please try again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure as the dialect has it."""

    status: int
    body: dict[str, Any]


def reason_of(turn: Turn) -> TurnError:
    """Why a turn that has ended did not complete."""
    return turn.error or _STOPPED.get(turn.state, _UNTOLD)


def failure_of(turn: Turn) -> Failure:
    """The error of a turn that did not complete."""
    reason = reason_of(turn)
    status = _BY_CODE.get(reason.code) or (409 if turn.state in _STOPPED else _UPSTREAM)
    return Failure(status=status, body=error_body(reason.code, reason.detail, status=status))
