"""Stored messages as `useChat` has them: a reply that calls tools, what came of them and what it says then are one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Message, MessageRole
from conversation_engine.domains.llm.parts import File, Image, Parts, Text, ToolCall, ToolResult, parts_of
from conversation_engine.entrypoints.ai_sdk.parts_in import FAILED_CALLS
from conversation_engine.entrypoints.ai_sdk.parts_out import (
    UiFilePart,
    UiPart,
    UiSourcePart,
    UiStepPart,
    UiTextPart,
    UiToolPart,
)
from conversation_engine.kernel.ids import MessageId
from conversation_engine.turns.rag.service import Source

Sources = Mapping[MessageId, Sequence[Source]]
NO_SOURCES: Final[Sources] = {}


class UiMessageOut(BaseModel):
    """A message as `useChat` keeps it."""

    id: str
    role: str
    parts: list[UiPart]
    metadata: dict[str, Any]

    @staticmethod
    def of(run: Sequence[Message], sources: Sources = NO_SOURCES) -> "UiMessageOut":
        """The wire shape of messages that belong together, the first of which names them all."""
        newest = [message for message in run if not is_results(message)][-1]
        metadata = {"status": newest.status, "created_at": newest.created_at, "turn_id": newest.turn_id}
        return UiMessageOut(id=run[0].id, role=run[0].role, parts=_parts(run, sources), metadata=metadata)


def together(path: Iterable[Message]) -> list[list[Message]]:
    """A path in runs of messages that belong together. Results whose calls are not on it go."""
    runs: list[list[Message]] = []
    for message in path:
        is_continued = bool(runs) and runs[-1][0].role is MessageRole.ASSISTANT and _is_open(runs[-1])
        if is_results(message):
            if is_continued:
                runs[-1].append(message)
        elif is_continued and message.role is MessageRole.ASSISTANT and is_results(runs[-1][-1]):
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs


def is_results(message: Message) -> bool:
    """Whether it says nothing but what came of calls."""
    parts = parts_of(message.content)
    return parts is not None and len(parts.results) == len(parts.items)


def _is_open(run: Sequence[Message]) -> bool:
    """Whether results may follow: its last step calls tools."""
    replies = [message for message in run if message.role is MessageRole.ASSISTANT]
    parts = parts_of(replies[-1].content)
    return parts is not None and bool(parts.calls)


def _parts(run: Sequence[Message], sources: Sources) -> list[UiPart]:
    results, failed = _results(run)
    shown: list[UiPart] = []
    for message in run:
        if is_results(message):
            continue
        if shown:
            shown.append(UiStepPart())
        shown += _said(message, results, failed)
        shown += [UiSourcePart.of(source) for source in sources.get(message.id, ()) if source.is_cited]
    return shown


def _results(run: Sequence[Message]) -> tuple[Mapping[str, ToolResult], set[str]]:
    answers = [(message, parts) for message in run if is_results(message) and (parts := parts_of(message.content))]
    results = {result.call_id: result for _, parts in answers for result in parts.results}
    return results, {call_id for message, _ in answers for call_id in message.metadata.get(FAILED_CALLS, ())}


def _said(message: Message, results: Mapping[str, ToolResult], failed: set[str]) -> list[UiPart]:
    parts = parts_of(message.content) or Parts((Text(as_text(message.content)),))
    shown: list[UiPart] = []
    for part in parts.items:
        match part:
            case Image() | File():
                shown.append(UiFilePart.of(part))
            case ToolCall(id=call_id) if message.role is MessageRole.ASSISTANT:
                shown.append(UiToolPart.of(part, results.get(call_id), has_failed=call_id in failed))
            case _:
                shown.append(UiTextPart(text=part.text))
    return shown
