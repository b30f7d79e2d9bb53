"""How much of a prompt is the beginning of the one before it, as far as this process has seen both."""

from collections import OrderedDict
from typing import Final

from conversation_engine.domains.context.types import Window
from conversation_engine.kernel.ids import ConversationId

CONVERSATIONS: Final = 1024
"""Whose last prompts are remembered: a number a message each."""


class PromptPrefixes:
    """The shape of each conversation's last prompt. What it says is measured, never used to build a prompt."""

    def __init__(self) -> None:
        self._last: OrderedDict[ConversationId, tuple[int, ...]] = OrderedDict()

    def shared_tokens(self, conversation_id: ConversationId, window: Window, *, overhead_tokens: int) -> int | None:
        """Tokens of the leading messages that the last prompt began with, too; `None` if none is remembered."""
        last = self._last.get(conversation_id)
        if last is None:
            return None
        shared = 0
        for message, before in zip(window.messages, last, strict=False):
            if hash(message[:2]) != before:
                break
            shared += message.tokens + overhead_tokens
        return shared

    def remember(self, conversation_id: ConversationId, window: Window) -> None:
        """This is the conversation's last prompt now."""
        self._last[conversation_id] = tuple([hash(message[:2]) for message in window.messages])
        self._last.move_to_end(conversation_id)
        if len(self._last) > CONVERSATIONS:
            self._last.popitem(last=False)
