"""One person's chat: which conversation it is in, and what is said there."""

import asyncio
import contextlib
import json
from contextlib import aclosing
from typing import Final

from conversation_engine.domains.conversations.types import (
    Content,
    Conversation,
    ConversationFilter,
    ConversationStatus,
    NewConversation,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.entrypoints.cli.chat_screen import Screen
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.turns.types import NewTurn, ReplyDelta, Turn, TurnDetail, TurnEnded, TurnState

CONVERSATION_TYPE: Final = "chat"
RECALLED_MESSAGES: Final = 6
RECALLED_CHARACTERS: Final = 600
"""Of each recalled message: enough to remember what it was about."""
LISTED: Final = 20


class ChatSession:
    """A person, a model and a current conversation. Lives in the engine's event loop."""

    def __init__(self, engine: ConversationEngine, screen: Screen, *, user: UserId, model: str | None) -> None:
        """`model` answers in every conversation; `None`: the conversation's own or the engine's default."""
        self._engine = engine
        self._screen = screen
        self._user = user
        self._model = model
        self._conversation_id: ConversationId | None = None
        self._running: Turn | None = None
        self._is_stop_wanted = False
        self._warming: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[TurnDetail] | None = None

    async def start(self, *, is_new: bool) -> None:
        """Go on in the active conversation that was used last, unless a new one is wanted. Starts to load the model."""
        if self._model in (None, self._engine.settings.model):
            self._warming = asyncio.create_task(self._warm_up())
        page = await self._engine.conversations.list_of(
            self._user,
            ConversationFilter(type=CONVERSATION_TYPE, status=ConversationStatus.ACTIVE),
            limit=LISTED,
        )
        if page.items and not is_new:
            await self.enter(max(page.items, key=lambda conversation: conversation.updated_at))
        else:
            self._screen.greet(self._welcome("a new conversation"))

    async def enter(self, conversation: Conversation) -> None:
        """Go on in `conversation`: shows what was said last."""
        self._conversation_id = conversation.id
        name = f"“{conversation.title}”" if conversation.title else "your conversation"
        self._screen.greet(self._welcome(f"{name} ({conversation.message_count} messages)"))
        page = await self._engine.conversations.list_messages(
            conversation.id, owner_id=self._user, limit=RECALLED_MESSAGES, newest_first=True
        )
        for message in reversed(page.items):
            self._screen.recall(message.role.value, _beginning(text_of(message.content)))

    async def begin(self, title: str | None) -> Conversation:
        """Start a new conversation and go there."""
        conversation = await self._engine.conversations.create(
            NewConversation(owner_id=self._user, type=CONVERSATION_TYPE, title=title)
        )
        self._conversation_id = conversation.id
        return conversation

    async def current(self) -> Conversation | None:
        """The conversation as it is now; `None` while nothing was said in a new one."""
        if self._conversation_id is None:
            return None
        return await self._engine.conversations.get(self._conversation_id, owner_id=self._user)
