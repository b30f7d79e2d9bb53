"""`client.conversations`."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

from pydantic import TypeAdapter

from conversation_engine.client.connection import Call, Connection, changing
from conversation_engine.client.types import Content, Conversation, Message
from conversation_engine.kernel.paging import Page

_CONVERSATION: Final = TypeAdapter(Conversation)
_CONVERSATIONS: Final = TypeAdapter(Page[Conversation])
_MESSAGE: Final = TypeAdapter(Message)
_MESSAGES: Final = TypeAdapter(Page[Message])


def path_of(conversation_id: str, *rest: str) -> str:
    """Where something of a conversation is found."""
    return "/".join(["/conversations", *(quote(part, safe="") for part in (conversation_id, *rest))])


class Conversations:
    """Conversations and what is said in them. Whatever changes something takes a `key` of yours, or makes one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self,
        *,
        title: str | None = None,
        conversation_type: str = "general",
        system_prompt: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Conversation:
        """Start one."""
        body = {
            "title": title,
            "conversation_type": conversation_type,
            "system_prompt": system_prompt,
            "model": model,
            "metadata": metadata,
        }
        return await self._connection.answer(changing("POST", "/conversations", body, key=key), _CONVERSATION)

    async def get(self, conversation_id: str) -> Conversation:
        """One of yours. Raises NotFoundError, ForbiddenError."""
        query = {"limit": 1}  # its messages are asked for by `messages`
        return await self._connection.answer(
            Call(method="GET", path=path_of(conversation_id), query=query), _CONVERSATION
        )

    async def list(
        self,
        *,
        conversation_type: str | None = None,
        status: Literal["active", "completed", "archived"] | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Conversation]:
        """A page of yours, newest first; `next` is the cursor of the one after it."""
        query = {"conversation_type": conversation_type, "status": status, "cursor": cursor, "limit": limit}
        call = Call(method="GET", path="/conversations", query=query)
        return await self._connection.answer(call, _CONVERSATIONS)

    async def each(self, *, conversation_type: str | None = None) -> AsyncIterator[Conversation]:
        """All of yours, newest first, read page by page."""
        cursor: str | None = None
        while True:
            page = await self.list(conversation_type=conversation_type, cursor=cursor, limit=100)
            for conversation in page.items:
                yield conversation
            if (cursor := page.next) is None:
                return

    async def change(
        self,
        conversation_id: str,
        *,
        title: str | None = None,
        status: Literal["active", "archived"] | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Conversation:
        """Set what is named; the rest stays."""
        named = {"title": title, "status": status, "metadata": metadata}
        body = {name: value for name, value in named.items() if value is not None}
        return await self._connection.answer(changing("PATCH", path_of(conversation_id), body, key=key), _CONVERSATION)

    async def end(self, conversation_id: str, *, key: str | None = None) -> Conversation:
        """Complete it: it keeps its history and takes no more messages."""
        return await self._connection.answer(changing("POST", path_of(conversation_id, "end"), key=key), _CONVERSATION)

    async def delete(self, conversation_id: str, *, key: str | None = None) -> None:
        """Remove it with everything said in it."""
        await self._connection.done(changing("DELETE", path_of(conversation_id), key=key))

    async def messages(
        self, conversation_id: str, *, cursor: str | None = None, limit: int = 50, newest_first: bool = False
    ) -> Page[Message]:
        """A page of the branch that people see and that the model is shown."""
        query = {"cursor": cursor, "limit": limit, "newest_first": "true" if newest_first else None}
        call = Call(method="GET", path=path_of(conversation_id, "path"), query=query)
        return await self._connection.answer(call, _MESSAGES)

    async def add_message(
        self,
        conversation_id: str,
        content: Content,
        *,
        role: Literal["user", "assistant", "system"] = "user",
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Message:
        """Store something without having it answered; to be answered, see `Turns.stream`."""
        body = {"role": role, "content": content, "message_metadata": metadata}
        call = changing("POST", path_of(conversation_id, "messages"), body, key=key)
        return await self._connection.answer(call, _MESSAGE)
