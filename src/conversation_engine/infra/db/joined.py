"""An effect that joins the next transaction which writes: committed with it, or not at all.

For what belongs to a request rather than to a service (its idempotency key): the services know nothing of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from conversation_engine.infra.db.database import Tx

T = TypeVar("T")

Effect = Callable[[Tx], None]


class Joined:
    """An effect that waits for a transaction."""

    def __init__(self, effect: Effect) -> None:
        self._effect = effect
        self.is_waiting = True
        self.is_committed = False

    def before(self, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
        """`work`, with the effect in front of it."""

        def both(tx: Tx) -> T:
            self._effect(tx)
            return work(tx)

        return both


_joined: ContextVar[Joined | None] = ContextVar("joined", default=None)


@contextmanager
def joining(effect: Effect) -> Iterator[Joined]:
    """The next transaction that this task writes has `effect` in front of it. What raises there undoes all of it."""
    joined = Joined(effect)
    token = _joined.set(joined)
    try:
        yield joined
    finally:
        joined.is_waiting = False  # tasks that were started meanwhile have a copy of the context
        _joined.reset(token)


def waiting() -> Joined | None:
    """What is to join the next transaction that writes."""
    joined = _joined.get()
    return joined if joined is not None and joined.is_waiting else None


@contextmanager
def carried(joined: Joined) -> Iterator[None]:
    """One transaction carries it; when that fails, another one may."""
    joined.is_waiting = False
    try:
        yield
    except BaseException:
        joined.is_waiting = True
        raise
    joined.is_committed = True
