"""A chat's house in this process: the engine itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from conversation_engine.domains.conversations.types import (
    Content,
    Conversation,
    ConversationFilter,
    ConversationStatus,
    NewConversation,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.entrypoints.cli.chat_house import (
    CONVERSATION_TYPE,
    ChatConversation,
    ChatMessage,
    ChatWindow,
    ReplyBegun,
    ReplyNews,
    ReplyOver,
    ReplyPiece,
)
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId
from conversation_engine.turns.types import NewTurn, ReplyDelta, TurnEnded


class EmbeddedHouse:
    """Lives in the engine's event loop."""

    def __init__(self, engine: ConversationEngine, *, user: UserId, model: str | None) -> None:
        """`model` answers in every conversation; `None`: the conversation's own or the engine's default."""
        self.name = model or engine.settings.default_model
        self._engine = engine
        self._user = user
        self._model = model
        self._warming: asyncio.Task[None] | None = None

    def warm_up(self) -> None:
        """Start to load the model, if it is the engine's own. Does not wait."""
        if self._model in (None, self._engine.settings.default_model):
            self._warming = asyncio.create_task(self._load())

    @property
    def is_loading(self) -> bool:
        return self._warming is not None and not self._warming.done()

    async def begin(self, title: str | None) -> ChatConversation:
        new = NewConversation(owner_id=self._user, type=CONVERSATION_TYPE, title=title)
        return _shown(await self._engine.conversations.create(new))

    async def find(self, conversation_id: ConversationId) -> ChatConversation:
        return _shown(await self._engine.conversations.get(conversation_id, owner_id=self._user))

    async def newest(self, count: int, *, is_active: bool = False) -> Sequence[ChatConversation]:
        wanted = ConversationFilter(type=CONVERSATION_TYPE, status=ConversationStatus.ACTIVE if is_active else None)
        page = await self._engine.conversations.list_of(self._user, wanted, limit=count)
        return [_shown(conversation) for conversation in page.items]

    async def said_last(self, conversation_id: ConversationId, count: int) -> Sequence[ChatMessage]:
        page = await self._engine.conversations.list_messages(
            conversation_id, owner_id=self._user, limit=count, newest_first=True
        )
        return [ChatMessage(speaker=one.role.value, text=text_of(one.content)) for one in reversed(page.items)]

    async def window(self, conversation_id: ConversationId, query: str | None) -> ChatWindow:
        window = await self._engine.turns.preview(conversation_id, owner_id=self._user, model=self._model, query=query)
        messages = [ChatMessage(speaker=one.role, text=one.text) for one in window.messages]
        return ChatWindow(messages=messages, manifest=window.manifest)

    async def say(self, conversation_id: ConversationId, text: str) -> AsyncGenerator[ReplyNews, None]:
        new = NewTurn(conversation_id=conversation_id, owner_id=self._user, content=text, model=self._model)
        turn = await self._engine.turns.submit(new)
        yield ReplyBegun(turn_id=turn.id)
        async with aclosing(self._engine.turns.follow(turn)) as events:
            async for event in events:
                if isinstance(event, ReplyDelta):
                    yield ReplyPiece(text=event.text)
                elif isinstance(event, TurnEnded):
                    over = event.detail.turn
                    yield ReplyOver(state=over.state.value, detail=over.error.detail if over.error else None)

    async def stop(self, conversation_id: ConversationId, turn_id: str) -> None:
        await self._engine.turns.cancel(conversation_id, TurnId(turn_id), owner_id=self._user)

    async def _load(self) -> None:
        with contextlib.suppress(EngineError):  # the first turn will say what is wrong
            await self._engine.warm_up()


def text_of(content: Content) -> str:
    """A message as text."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _shown(conversation: Conversation) -> ChatConversation:
    return ChatConversation(
        id=conversation.id,
        title=conversation.title,
        message_count=conversation.message_count,
        input_tokens=conversation.input_tokens,
        output_tokens=conversation.output_tokens,
        cost=conversation.cost,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        last_message_at=conversation.last_message_at,
    )
