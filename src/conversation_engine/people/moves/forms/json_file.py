"""Everything, as JSON: see `schemas.ConversationFile`. A message is a line."""

import json
from collections.abc import AsyncIterator
from datetime import datetime

from conversation_engine.people.moves.schemas import ConversationHead, FeedbackEntry, MessageEntry, ModelCallEntry
from conversation_engine.people.moves.types import FORMAT, VERSION, Talk


async def write(talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]:
    """The file, in pieces; after any of them the rest is still to be read."""
    head = {"format": FORMAT, "version": VERSION, "exported_at": at.isoformat().replace("+00:00", "Z")}
    yield json.dumps(head)[:-1] + ', "conversations": ['
    separator = "\n"
    async for talk in talks:
        yield separator
        async for piece in _conversation(talk):
            yield piece
        separator = ",\n"
    yield "\n]}\n"


async def _conversation(talk: Talk) -> AsyncIterator[str]:
    yield ConversationHead.head_of(talk.conversation).model_dump_json()[:-1]
    messages = (MessageEntry.of(said).model_dump_json() async for said in talk.messages())
    calls = (ModelCallEntry.of(call).model_dump_json() async for call in talk.other_calls())
    opinions = (FeedbackEntry.of(one).model_dump_json() async for one in talk.feedback())
    for name, items in (("messages", messages), ("other_model_calls", calls), ("feedback", opinions)):
        async for piece in _array(name, items):
            yield piece
    yield "}"


async def _array(name: str, items: AsyncIterator[str]) -> AsyncIterator[str]:
    yield f',"{name}":['
    separator = "\n"
    async for item in items:
        yield separator + item
        separator = ",\n"
    yield "]"
