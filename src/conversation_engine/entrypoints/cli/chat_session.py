"""One person's chat: which conversation it is in, and what is said there."""

import asyncio
from contextlib import aclosing
from typing import Final

from conversation_engine.entrypoints.cli.chat_house import (
    ChatConversation,
    ChatHouse,
    ChatWindow,
    ReplyBegun,
    ReplyOver,
    ReplyPiece,
)
from conversation_engine.entrypoints.cli.chat_screen import Reply, Screen
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId

RECALLED_MESSAGES: Final = 6
RECALLED_CHARACTERS: Final = 600
"""Of each recalled message: enough to remember what it was about."""
LISTED: Final = 20
TITLE_CHARACTERS: Final = 40


class ChatSession:
    """A person, a model and a current conversation. Lives in the house's event loop."""

    def __init__(self, house: ChatHouse, screen: Screen) -> None:
        self._house = house
        self._screen = screen
        self.conversation_id: ConversationId | None = None
        """Where things are said; `None`: in a conversation that starts with the next thing said."""
        self._running: tuple[ConversationId, str] | None = None
        self._is_stop_wanted = False
        self._stopping: asyncio.Task[None] | None = None

    async def start(self, *, is_new: bool) -> None:
        """Go on in the active conversation that was used last, unless a new one is wanted."""
        known = await self._house.newest(LISTED, is_active=True)
        if known and not is_new:
            await self.enter(max(known, key=lambda conversation: conversation.updated_at))
        else:
            self._screen.greet(self._welcome("a new conversation"))

    async def enter(self, conversation: ChatConversation) -> None:
        """Go on in `conversation`: shows what was said last."""
        self.conversation_id = conversation.id
        title = conversation.title and shortened(conversation.title, TITLE_CHARACTERS)
        name = f"“{title}”" if title else "your conversation"
        self._screen.greet(self._welcome(f"{name} ({conversation.message_count} messages)"))
        for message in await self._house.said_last(conversation.id, RECALLED_MESSAGES):
            self._screen.recall(message.speaker, _beginning(message.text))

    async def begin(self, title: str | None) -> ChatConversation:
        """Start a new conversation and go there."""
        conversation = await self._house.begin(title)
        self.conversation_id = conversation.id
        return conversation

    async def current(self) -> ChatConversation | None:
        """The conversation as it is now; `None` while nothing was said in a new one."""
        return None if self.conversation_id is None else await self._house.find(self.conversation_id)

    async def listed(self) -> list[ChatConversation]:
        """The person's newest conversations of this kind, ended ones included."""
        return list(await self._house.newest(LISTED))

    async def find(self, conversation_id: ConversationId) -> ChatConversation:
        """One of the person's conversations, of any kind."""
        return await self._house.find(conversation_id)

    async def window(self, query: str | None = None) -> ChatWindow | None:
        """What the model would be shown if `query` were said now, or else to answer what is there.

        `None` while nothing was said in a new conversation.
        """
        return None if self.conversation_id is None else await self._house.window(self.conversation_id, query)

    async def say(self, text: str) -> ReplyOver:
        """Say something and show the reply as it comes; returns how the turn ended.

        The first words name a new conversation. Raises EngineError where nothing was said.
        """
        self._is_stop_wanted = False
        conversation_id = self.conversation_id or (await self.begin(shortened(text, TITLE_CHARACTERS))).id
        with self._screen.reply("loading the model …" if self._house.is_loading else "thinking …") as reply:
            try:
                return await self._said(conversation_id, text, reply)
            finally:
                self._running = None

    def stop(self) -> None:
        """Stop the reply that is being said; its beginning is kept. Does not wait."""
        self._is_stop_wanted = True
        if self._running is not None and self._stopping is None:
            self._stopping = asyncio.create_task(self._house.stop(*self._running))
            self._stopping.add_done_callback(self._forget_stopping)

    async def _said(self, conversation_id: ConversationId, text: str, reply: Reply) -> ReplyOver:
        async with aclosing(self._house.say(conversation_id, text)) as news:
            async for event in news:
                match event:
                    case ReplyBegun(turn_id=turn_id):
                        self._running = (conversation_id, turn_id)
                        if self._is_stop_wanted:
                            self.stop()
                    case ReplyPiece(text=piece):
                        reply.add(piece)
                    case ReplyOver():
                        return event
        raise AssertionError("a reply ends with ReplyOver")

    def _forget_stopping(self, task: asyncio.Task[None]) -> None:
        self._stopping = None
        if not task.cancelled() and isinstance(error := task.exception(), EngineError):
            self._screen.fail(error.detail)

    def _welcome(self, where: str) -> str:
        return f"{self._house.name} · {where} · /help"


def shortened(text: str, limit_characters: int) -> str:
    """The beginning of `text`, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit_characters else f"{line[: limit_characters - 1]}…"


def _beginning(text: str) -> str:
    return text if len(text) <= RECALLED_CHARACTERS else f"{text[:RECALLED_CHARACTERS]} …"
