"""From what a page sends to what is said in the conversation, and after what."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    BEGINNING,
    Content,
    Conversation,
    Message,
    MessageRole,
    NewMessage,
)
from conversation_engine.domains.llm.errors import ModelCannotError
from conversation_engine.entrypoints.ai_sdk.errors import NothingSaidError
from conversation_engine.entrypoints.ai_sdk.messages import together
from conversation_engine.entrypoints.ai_sdk.parts_in import UiPartIn, question_in, results_in
from conversation_engine.entrypoints.ai_sdk.places import ChatPlace, newest
from conversation_engine.entrypoints.ai_sdk.schemas import UiChatIn, UiMessageIn
from conversation_engine.kernel.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What is said with a turn."""

    content: Content
    metadata: Mapping[str, Any] = field(default_factory=dict)
    preceding: Sequence[NewMessage] = ()
    """Outputs of tools that no turn of their own was asked for."""
    parent_id: MessageId | None = None
    reply_id: str | None = None
    """Of the page's message that the answer goes on with."""


async def saying(body: UiChatIn, place: ChatPlace, conversations: ConversationService) -> Saying:
    """What the last message says. Raises NothingSaidError, UnsupportedPartError or BadFilePartError."""
    if body.last.role == "assistant" and (results := results_in(body.last.parts)):
        return Saying(content=results.content, metadata=results.metadata, reply_id=body.last.id)
    if body.last.role != "user":
        raise NothingSaidError
    content, before = question_in(body.last.parts), body.reply_before
    if body.message_id is not None and place.conversation is not None:
        return await _otherwise(content, before, place.conversation, conversations)
    return Saying(content=content, preceding=_unsaid(before) if place.conversation else ())


@contextmanager
def blaming(parts: Sequence[UiPartIn]) -> Iterator[None]:
    """Says of a ModelCannotError which part is to blame."""
    try:
        yield
    except ModelCannotError as error:
        is_image = {"image": True, "file": False, "file_url": False}.get(error.field)
        for place, part in enumerate(parts if is_image is not None else ()):
            if part.type == "file" and part.is_image == is_image:
                raise ModelCannotError(error.model, f"messages[-1].parts[{place}]") from error
        raise


async def _otherwise(
    content: Content, before: UiMessageIn | None, conversation: Conversation, conversations: ConversationService
) -> Saying:
    """A question in the place of another, after the reply that stands before it: one that we gave, unless the page
    made it up. A reply that calls tools is several messages here, of which the page knows the first."""
    if before is None:
        return Saying(content=content, parent_id=BEGINNING)
    if not before.calls_tools:
        return Saying(content=content, parent_id=MessageId(before.id))
    path = await newest(conversation.id, owner_id=conversation.owner_id, conversations=conversations)
    run: list[Message] = next((run for run in together(path) if run[0].id == before.id), [])
    last_id = run[-1].id if run else MessageId(before.id)
    is_answered = not run or run[-1].role is not MessageRole.ASSISTANT
    return Saying(content=content, parent_id=last_id, preceding=() if is_answered else _unsaid(before))


def _unsaid(before: UiMessageIn | None) -> Sequence[NewMessage]:
    """Outputs of tools that were not told when they came: those of a step after which there is none."""
    results = results_in(before.parts) if before else None
    return [results] if results else []
