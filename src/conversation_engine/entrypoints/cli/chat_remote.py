"""A chat's house on a server, through the public client."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from conversation_engine.client import Client, ClientError, Conversation, ReplyDelta, TurnEnded, TurnStarted
from conversation_engine.client.turns import Answering
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
from conversation_engine.entrypoints.cli.errors import RefusedByServerError
from conversation_engine.kernel.ids import ConversationId


class RemoteHouse:
    """Lives in any event loop; conversations are those of whoever the client's token names."""

    is_loading = False

    def __init__(self, client: Client, *, name: str, model: str | None) -> None:
        """`model` answers in every conversation; `None`: the conversation's own or the server's default."""
        self.name = name if model is None else f"{model} at {name}"
        self._client = client
        self._model = model

    async def begin(self, title: str | None) -> ChatConversation:
        with _refusals():
            return _shown(await self._client.conversations.create(title=title, conversation_type=CONVERSATION_TYPE))

    async def find(self, conversation_id: ConversationId) -> ChatConversation:
        with _refusals():
            return _shown(await self._client.conversations.get(conversation_id))

    async def newest(self, count: int, *, is_active: bool = False) -> Sequence[ChatConversation]:
        with _refusals():
            page = await self._client.conversations.list(
                conversation_type=CONVERSATION_TYPE, status="active" if is_active else None, limit=count
            )
        return [_shown(conversation) for conversation in page.items]

    async def said_last(self, conversation_id: ConversationId, count: int) -> Sequence[ChatMessage]:
        with _refusals():
            page = await self._client.conversations.messages(conversation_id, limit=count, newest_first=True)
        return [
            ChatMessage(
                speaker=one.role,
                text=one.content if isinstance(one.content, str) else json.dumps(one.content, ensure_ascii=False),
            )
            for one in reversed(page.items)
        ]

    async def window(self, conversation_id: ConversationId, query: str | None) -> ChatWindow:
        with _refusals():
            window = await self._client.turns.window(conversation_id, query, model=self._model)
        messages = [ChatMessage(speaker=one.role, text=one.content) for one in window.messages]
        return ChatWindow(messages=messages, manifest=window.manifest)

    async def say(self, conversation_id: ConversationId, text: str) -> AsyncGenerator[ReplyNews, None]:
        answering = Answering() if self._model is None else Answering(model=self._model)
        with _refusals():
            async with aclosing(self._client.turns.stream(conversation_id, text, **answering)) as events:
                async for event in events:
                    match event:
                        case TurnStarted(turn=turn):
                            yield ReplyBegun(turn_id=turn.id)
                        case ReplyDelta(text=piece):
                            yield ReplyPiece(text=piece)
                        case TurnEnded(turn=turn):
                            yield ReplyOver(state=turn.state, detail=turn.error.detail if turn.error else None)

    async def stop(self, conversation_id: ConversationId, turn_id: str) -> None:
        with _refusals():
            await self._client.turns.cancel(conversation_id, turn_id)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise RefusedByServerError(error.detail, kind=error.kind) from error


def _shown(conversation: Conversation) -> ChatConversation:
    return ChatConversation(
        id=ConversationId(conversation.id),
        title=conversation.title,
        message_count=conversation.message_count,
        input_tokens=conversation.input_tokens,
        output_tokens=conversation.output_tokens,
        cost=conversation.total_cost,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        last_message_at=conversation.last_message_at,
    )
