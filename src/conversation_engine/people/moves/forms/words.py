"""Words for people who read what was said."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Final

from conversation_engine.domains.conversations.types import Content, Conversation, Message, MessageRole, MessageStatus
from conversation_engine.domains.feedback.types import Feedback, Verdict
from conversation_engine.domains.llm.parts import parts_of
from conversation_engine.people.moves.types import Talk

ROLES: Final[Mapping[MessageRole, str]] = {
    MessageRole.USER: "User",
    MessageRole.ASSISTANT: "Assistant",
    MessageRole.SYSTEM: "System",
}
VERDICTS: Final[Mapping[Verdict, str]] = {Verdict.UP: "thumb up", Verdict.DOWN: "thumb down"}


def title_of(conversation: Conversation) -> str:
    """Its title in one line."""
    return " ".join((conversation.title or "").split()) or "Conversation"


def time_of(at: datetime) -> str:
    """To the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def notes_of(message: Message) -> list[str]:
    """What a reader should know of a message beside its words."""
    notes = {MessageStatus.PARTIAL: ["cut off"], MessageStatus.FALLBACK: ["said in place of a reply"]}
    return notes.get(message.status, []) + (["pinned"] if message.is_pinned else [])


def thought_of(opinion: Feedback) -> list[str]:
    """What somebody thinks: who and how good it was, then, each on its own, what helped and what did not."""
    said = opinion.opinion
    facts = [f"by {opinion.author_id}"]
    facts += [VERDICTS[said.verdict]] if said.verdict else []
    facts += [f"{said.rating} of 5"] if said.rating is not None else []
    facts += [f"tagged {', '.join(said.tags)}"] if said.tags else []
    return [
        "Feedback " + " · ".join(facts),
        *([f"Helped: {said.helped}"] if said.helped else []),
        *([f"Did not help: {said.hindered}"] if said.hindered else []),
    ]


async def of_the_whole(talk: Talk) -> AsyncIterator[Feedback]:
    """What is thought of the conversation as such."""
    async for one in talk.feedback():
        if one.place.message_id is None:
            yield one


def said_in(content: Content) -> Content:
    """As people read it: calls, results, images and files as notes; the whole of them is in the JSON form."""
    parts = parts_of(content)
    return content if parts is None else parts.text
