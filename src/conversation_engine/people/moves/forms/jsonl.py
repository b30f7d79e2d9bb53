"""For fine-tuning: a line for each conversation, `{"messages": [{"role": …, "content": …}, …]}` along its active path.

OpenAI's chat form (platform.openai.com/docs/guides/fine-tuning): a line ends with a reply; one that was cut, or that
somebody found bad, is kept as context with `"weight": 0`: nothing is to be learnt from it, and the form has no place to
say more. What no model said (fallback replies) is left out, and so is a conversation without a reply to learn from.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Conversation, MessageRole, MessageStatus
from conversation_engine.domains.feedback.types import Opinion, Verdict
from conversation_engine.domains.llm.parts import Text, ToolCall, parts_of
from conversation_engine.kernel.ids import MessageId
from conversation_engine.people.moves.types import Said, Talk

BAD_RATING: Final = 2
"""Of 5, where no thumb says it."""


async def write(talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]:
    """The lines, in pieces."""
    async for talk in talks:
        bad = await _bad_ones(talk)
        last = await _last_good(talk, bad) if bad else talk.last_answer
        if not last:
            continue
        yield '{"messages": ['
        separator = ""
        if prompt := _prompt(talk.conversation):
            yield json.dumps({"role": "system", "content": prompt}, ensure_ascii=False)
            separator = ", "
        async for said in talk.path():
            if said.message.sequence_number > last:
                break
            if said.message.status is not MessageStatus.FALLBACK:
                for entry in _entries(said, bad):
                    yield separator + json.dumps(entry, ensure_ascii=False)
                    separator = ", "
        yield "]}\n"


def _prompt(conversation: Conversation) -> str | None:
    """What the model was told, where it is the owner's to know."""
    return conversation.system_prompt if conversation.persona_id is None else None


async def _bad_ones(talk: Talk) -> frozenset[MessageId]:
    """What somebody thinks badly of. In memory: an id each."""
    opinions = [(one.place.message_id, one.opinion) async for one in talk.feedback()]
    return frozenset(at for at, opinion in opinions if at is not None and _is_bad(opinion))


def _is_bad(opinion: Opinion) -> bool:
    if opinion.verdict is not None:
        return opinion.verdict is Verdict.DOWN
    return opinion.rating is not None and opinion.rating <= BAD_RATING


async def _last_good(talk: Talk, bad: frozenset[MessageId]) -> int:
    """Sequence number of the last whole reply of the path that nobody thinks badly of; 0: there is none."""
    last = 0
    async for said in talk.path():
        message = said.message
        is_whole = message.role is MessageRole.ASSISTANT and message.status is MessageStatus.COMPLETE
        if is_whole and message.id not in bad:
            last = message.sequence_number
    return last


def _entries(said: Said, bad: frozenset[MessageId]) -> list[dict[str, Any]]:
    """A message as one entry, or as one for each result that it says."""
    message, parts = said.message, parts_of(said.message.content)
    entry: dict[str, Any] = {"role": message.role.value, "content": as_text(message.content)}
    if parts is not None and parts.results:
        return [{"role": "tool", "tool_call_id": one.call_id, "content": one.output} for one in parts.results]
    if parts is not None and parts.calls:
        entry["content"] = "\n".join(part.text for part in parts.items if isinstance(part, Text)) or None
        entry["tool_calls"] = [_call(call) for call in parts.calls]
    if message.status is MessageStatus.PARTIAL or (message.id in bad and message.role is MessageRole.ASSISTANT):
        entry["weight"] = 0
    return [entry]


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
