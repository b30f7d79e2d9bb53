"""Which changes of a turn's state are legal."""

from typing import Final

from conversation_engine.turns.types import TurnState

_NEXT: Final = {
    TurnState.QUEUED: frozenset({TurnState.RUNNING, TurnState.CANCELLED, TurnState.FAILED}),
    TurnState.RUNNING: frozenset({TurnState.COMPLETED, TurnState.FAILED, TurnState.CANCELLED, TurnState.INTERRUPTED}),
    TurnState.COMPLETED: frozenset[TurnState](),
    TurnState.FAILED: frozenset[TurnState](),
    TurnState.CANCELLED: frozenset[TurnState](),
    TurnState.INTERRUPTED: frozenset[TurnState](),
}


def can_become(state: TurnState, then: TurnState) -> bool:
    """Whether a turn in `state` may change to `then`."""
    return then in _NEXT[state]


def is_final(state: TurnState) -> bool:
    """Whether nothing more will happen to a turn in `state`."""
    return not _NEXT[state]
