"""For fine-tuning: a line for each conversation, `{"messages": [{"role": …, "content": …}, …]}` along its active path.

OpenAI's chat form (platform.openai.com/docs/guides/fine-tuning): a line ends with a reply; one that was cut is kept as
context with `"weight": 0`. What no model said (fallback replies) is left out, and so is a conversation without a reply.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Conversation, MessageStatus
from conversation_engine.people.moves.types import Said, Talk


async def write(talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]:
    """The lines, in pieces."""
    async for talk in talks:
        if not talk.last_answer:
            continue
        yield '{"messages": ['
        separator = ""
        if prompt := _prompt(talk.conversation):
            yield json.dumps({"role": "system", "content": prompt}, ensure_ascii=False)
            separator = ", "
        async for said in talk.path():
            if said.message.sequence_number > talk.last_answer:
                break
            if said.message.status is not MessageStatus.FALLBACK:
                yield separator + json.dumps(_entry(said), ensure_ascii=False)
                separator = ", "
        yield "]}\n"


def _prompt(conversation: Conversation) -> str | None:
    """What the model was told, where it is the owner's to know."""
    return conversation.system_prompt if conversation.persona_id is None else None


def _entry(said: Said) -> dict[str, Any]:
    message = said.message
    entry: dict[str, Any] = {"role": message.role.value, "content": as_text(message.content)}
    if message.status is MessageStatus.PARTIAL:
        entry["weight"] = 0
    return entry
