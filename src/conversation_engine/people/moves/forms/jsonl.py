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
from conversation_engine.domains.llm.parts import Text, ToolCall, parts_of
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
                for entry in _entries(said):
                    yield separator + json.dumps(entry, ensure_ascii=False)
                    separator = ", "
        yield "]}\n"


def _prompt(conversation: Conversation) -> str | None:
    """What the model was told, where it is the owner's to know."""
    return conversation.system_prompt if conversation.persona_id is None else None


def _entries(said: Said) -> list[dict[str, Any]]:
    """A message as one entry, or as one for each result that it says."""
    message, parts = said.message, parts_of(said.message.content)
    entry: dict[str, Any] = {"role": message.role.value, "content": as_text(message.content)}
    if parts is not None and parts.results:
        return [{"role": "tool", "tool_call_id": one.call_id, "content": one.output} for one in parts.results]
    if parts is not None and parts.calls:
        entry["content"] = "\n".join(part.text for part in parts.items if isinstance(part, Text)) or None
        entry["tool_calls"] = [_call(call) for call in parts.calls]
    if message.status is MessageStatus.PARTIAL:
        entry["weight"] = 0
    return [entry]


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
