"""What is different where a client is played: its instructions are its own, and nobody is shown them."""

from dataclasses import replace
from typing import Final

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.errors import SessionFixedError
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.llm.types import Sampling

HIDDEN: Final = "(the instructions of this client are not shown)"


def check_free(conversation: Conversation, *, model: str | None, system_prompt: str | None) -> None:
    """Raises SessionFixedError for another model or other instructions than the client's."""
    if conversation.persona_id is not None and (model is not None or system_prompt is not None):
        raise SessionFixedError


def sampling_for(conversation: Conversation, wanted: Sampling) -> Sampling:
    """How a reply is drawn: as the turn says, but in a session as the client says where it says something."""
    if conversation.sampling is None:
        return wanted
    return Sampling.from_json(wanted.as_json() | conversation.sampling.as_json())


def as_shown(conversation: Conversation, window: Window) -> Window:
    """The window as its owner may read it."""
    if conversation.persona_id is None:
        return window
    messages = [message._replace(text=HIDDEN) if message.role == "system" else message for message in window.messages]
    return replace(window, messages=messages)
