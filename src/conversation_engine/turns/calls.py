"""Calls of tools across turns, and where tools may be run one day."""

from collections.abc import Sequence
from typing import Protocol

from conversation_engine.domains.conversations.types import MessageRole, Utterance
from conversation_engine.domains.llm.parts import ToolCall, ToolResult, parts_of
from conversation_engine.domains.llm.tools import FunctionTool
from conversation_engine.turns.errors import UnknownToolCallError


class ToolRunner(Protocol):
    """Runs tools on the server. Nobody does yet: calls go to whoever asked, and their results come with the next turn.

    Who implements it is asked between two model calls of one turn; what it gives is stored like results from outside.
    """

    def tools(self) -> Sequence[FunctionTool]:
        """What it can run; offered to the model beside what the turn offers. No I/O."""
        ...

    async def run(self, call: ToolCall) -> ToolResult:
        """What comes of a call. Never raises for what the tool does: a failure is a result that says so.

        A call may be run again after a crash, under the same id.
        """
        ...


def check_results(newest: Sequence[Utterance]) -> None:
    """Whether results that were just said, newest first, answer calls of the reply before them.

    Raises UnknownToolCallError.
    """
    wanted: dict[str, None] = {}
    is_reply = False
    for one in newest:
        is_reply = is_reply or one.role is MessageRole.ASSISTANT
        parts = parts_of(one.content)
        if is_reply != (one.role is MessageRole.ASSISTANT) or (parts is None and not is_reply):
            break
        for call_id in [result.call_id for result in parts.results] if parts else ():
            wanted[call_id] = None
        for call in parts.calls if parts else ():
            wanted.pop(call.id, None)
    if wanted:
        raise UnknownToolCallError(next(iter(wanted)))
