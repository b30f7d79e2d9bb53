"""One person's chat: which conversation it is in, and what is said there."""

import asyncio
import contextlib
import json
from contextlib import aclosing
from typing import Final

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.types import (
    Content,
    Conversation,
    ConversationFilter,
    ConversationStatus,
    NewConversation,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.entrypoints.cli.chat_screen import Reply, Screen
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.turns.types import NewTurn, ReplyDelta, Turn, TurnDetail, TurnEnded

CONVERSATION_TYPE: Final = "chat"
RECALLED_MESSAGES: Final = 6
RECALLED_CHARACTERS: Final = 600
"""Of each recalled message: enough to remember what it was about."""
LISTED: Final = 20
TITLE_CHARACTERS: Final = 40


class ChatSession:
    """A person, a model and a current conversation. Lives in the engine's event loop."""

    def __init__(self, engine: ConversationEngine, screen: Screen, *, user: UserId, model: str | None) -> None:
        """`model` answers in every conversation; `None`: the conversation's own or the engine's default."""
        self._engine = engine
        self._screen = screen
        self._user = user
        self._model = model
        self.conversation_id: ConversationId | None = None
        """Where things are said; `None`: in a conversation that starts with the next thing said."""
        self._running: Turn | None = None
        self._is_stop_wanted = False
        self._warming: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[TurnDetail] | None = None

    async def start(self, *, is_new: bool) -> None:
        """Go on in the active conversation that was used last, unless a new one is wanted. Starts to load the model."""
        if self._model in (None, self._engine.settings.default_model):
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
        self.conversation_id = conversation.id
        title = conversation.title and shortened(conversation.title, TITLE_CHARACTERS)
        name = f"“{title}”" if title else "your conversation"
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
        self.conversation_id = conversation.id
        return conversation

    async def current(self) -> Conversation | None:
        """The conversation as it is now; `None` while nothing was said in a new one."""
        if self.conversation_id is None:
            return None
        return await self._engine.conversations.get(self.conversation_id, owner_id=self._user)

    async def listed(self) -> list[Conversation]:
        """The person's newest conversations of this kind, ended ones included."""
        page = await self._engine.conversations.list_of(
            self._user, ConversationFilter(type=CONVERSATION_TYPE), limit=LISTED
        )
        return list(page.items)

    async def find(self, conversation_id: ConversationId) -> Conversation:
        """One of the person's conversations, of any kind."""
        return await self._engine.conversations.get(conversation_id, owner_id=self._user)

    async def window(self, query: str | None = None) -> Window | None:
        """What the model would be shown if `query` were said now, or else to answer what is there.

        `None` while nothing was said in a new conversation.
        """
        if self.conversation_id is None:
            return None
        return await self._engine.turns.preview(
            self.conversation_id, owner_id=self._user, model=self._model, query=query
        )

    async def say(self, text: str) -> Turn:
        """Say something and show the reply as it comes; returns how the turn ended.

        The first words name a new conversation. Raises what `turns.submit` raises; nothing was said then.
        """
        self._is_stop_wanted = False
        conversation_id = self.conversation_id or (await self.begin(shortened(text, TITLE_CHARACTERS))).id
        with self._screen.reply(self._waiting()) as reply:
            new = NewTurn(conversation_id=conversation_id, owner_id=self._user, content=text, model=self._model)
            self._running = await self._engine.turns.submit(new)
            try:
                if self._is_stop_wanted:
                    self.stop()
                return await self._followed(self._running, reply)
            finally:
                self._running = None

    def stop(self) -> None:
        """Stop the reply that is being said; its beginning is kept. Does not wait."""
        self._is_stop_wanted = True
        turn = self._running
        if turn is not None and self._stopping is None:
            cancelling = self._engine.turns.cancel(turn.conversation_id, turn.id, owner_id=self._user)
            self._stopping = asyncio.create_task(cancelling)
            self._stopping.add_done_callback(self._forget_stopping)

    async def _followed(self, turn: Turn, reply: Reply) -> Turn:
        async with aclosing(self._engine.turns.follow(turn)) as events:
            async for event in events:
                if isinstance(event, ReplyDelta):
                    reply.add(event.text)
                elif isinstance(event, TurnEnded):
                    return event.detail.turn
        raise AssertionError("a stream ends with TurnEnded")

    async def _warm_up(self) -> None:
        with contextlib.suppress(EngineError):  # the first turn will say what is wrong
            await self._engine.warm_up()

    def _forget_stopping(self, _task: asyncio.Task[TurnDetail]) -> None:
        self._stopping = None

    def _waiting(self) -> str:
        is_loading = self._warming is not None and not self._warming.done()
        return "loading the model …" if is_loading else "thinking …"

    def _welcome(self, where: str) -> str:
        return f"{self._model or self._engine.settings.default_model} · {where} · /help"


def text_of(content: Content) -> str:
    """A message as text."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def shortened(text: str, limit_characters: int) -> str:
    """The beginning of `text`, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit_characters else f"{line[: limit_characters - 1]}…"


def _beginning(text: str) -> str:
    return text if len(text) <= RECALLED_CHARACTERS else f"{text[:RECALLED_CHARACTERS]} …"
