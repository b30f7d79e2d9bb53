"""The active path as Markdown: who said it, when, and what, as it was written."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from conversation_engine.domains.conversations.types import Conversation, Message
from conversation_engine.domains.feedback.types import Feedback
from conversation_engine.people.moves.forms.words import (
    ROLES,
    notes_of,
    of_the_whole,
    said_in,
    thought_of,
    time_of,
    title_of,
)
from conversation_engine.people.moves.types import Talk

FENCES: Final = ("```", "~~~")


async def write(talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]:
    """The text, in pieces."""
    separator = ""
    async for talk in talks:
        yield separator + _head(talk.conversation)
        async for said in talk.path():
            yield _message(said.message) + "".join(map(_opinion, said.opinions))
        async for one in of_the_whole(talk):
            yield _opinion(one)
        separator = "\n---\n\n"


def _head(conversation: Conversation) -> str:
    facts = [
        f"- Began: {time_of(conversation.created_at)}",
        f"- Messages: {conversation.message_count}",
        f"- Tokens: {conversation.input_tokens + conversation.output_tokens}",
        f"- Cost: ${conversation.cost:f}",
    ]
    if conversation.is_branched:
        facts.append("- Only the active branch is shown; the JSON form has all of them.")
    return f"# {title_of(conversation)}\n\n" + "\n".join(facts) + "\n"


def _message(message: Message) -> str:
    heading = " · ".join([ROLES[message.role], time_of(message.created_at), *notes_of(message)])
    return f"\n## {heading}\n\n{_text(message)}\n"


def _opinion(opinion: Feedback) -> str:
    """Quoted line by line, so that what it says stays in it."""
    lines = [line for part in thought_of(opinion) for line in part.splitlines()]
    return "\n" + "".join(f"> {line}  \n" for line in lines)


def _text(message: Message) -> str:
    content = said_in(message.content)
    if not isinstance(content, str):
        return f"```json\n{json.dumps(content, ensure_ascii=False, indent=2)}\n```"
    return content + _left_open(content)


def _left_open(text: str) -> str:
    """The end of a block of code that was left open: or it would swallow what others said after it."""
    fence = ""
    for line in text.splitlines():
        mark = line.strip()
        if fence:
            if mark.startswith(fence) and not mark.strip(fence[0]):
                fence = ""
        elif mark.startswith(FENCES):
            fence = mark[: len(mark) - len(mark.lstrip(mark[0]))]
    return f"\n{fence}" if fence else ""
