"""Which conversation the running code belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from conversation_engine.dialogue.errors import NoConversationError
from conversation_engine.dialogue.service import ConversationEngineService


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationContext:
    """An open conversation."""

    service: ConversationEngineService
    """Bound to the user."""
    conversation_id: str
    user_id: str
    system_prompt: str | None = None
    """What the session's code tells the model first; `None`: what the conversation says."""


# The language's own storage per task: each asyncio task has a copy, so tasks never see each other's conversation.
_current: ContextVar[ConversationContext] = ContextVar("conversation_engine_current")


def current_conversation() -> ConversationContext:
    """The innermost open conversation of this task. Raises NoConversationError outside a session."""
    found = find_current_conversation()
    if found is None:
        raise NoConversationError
    return found


def find_current_conversation() -> ConversationContext | None:
    """The same, `None` outside a session."""
    return _current.get(None)


@contextmanager
def activate(context: ConversationContext) -> Iterator[ConversationContext]:
    """Make `context` the current one inside the block; afterwards, error or not, what was current before."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
