"""One passing turn while it runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from conversation_engine.domains.conversations.types import Content, Message, MessageRole, MessageStatus
from conversation_engine.domains.llm.errors import CallCancelledError
from conversation_engine.domains.llm.service import Answer
from conversation_engine.domains.llm.transcript import content_in
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.kernel.errors import EngineError, InternalError
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.types import Turn, TurnDetail, TurnError, TurnState


@dataclass(slots=True, kw_only=True, eq=False)
class PassingRun:
    """A turn that no store will ever see: watchers know it as they know others."""

    turn: Turn
    live: LiveReply
    generation: asyncio.Task[Answer]
    error: EngineError | None = None
    """Why it was not answered, or not wholly, once that is known."""

    def stop(self) -> None:
        """End the call, and its upstream connection; without effect on one that has ended."""
        self.generation.cancel()

    def note_end(self) -> tuple[Attempt, ...]:
        """What calls were made, once the generation is done; fills in `error`."""
        if self.generation.cancelled():
            self.error = CallCancelledError()
            return ()
        if self.generation.exception() is not None:
            self.error = InternalError()
            return ()
        answer = self.generation.result()
        is_whole = bool(answer.attempts) and answer.attempts[-1].finish_reason is not None
        self.error = answer.error or (None if is_whole else CallCancelledError())
        return answer.attempts

    def detail(self, attempts: Sequence[Attempt], *, at: datetime) -> TurnDetail:
        """The turn as it ended."""
        error = self.error
        state = TurnState.COMPLETED if error is None else TurnState.FAILED
        if isinstance(error, CallCancelledError):
            state = TurnState.CANCELLED
        told = None if error is None else TurnError(code=error.code, detail=error.detail)
        turn = replace(self.turn, state=state, error=told, finished_at=at)
        said = self.live.text()
        content = said if turn.sampling.tools is None else content_in(said)
        reply = _reply(turn, content, attempts) if content else None
        return TurnDetail(turn=turn, reply=reply, attempts=tuple(attempts))


def _reply(turn: Turn, content: Content, attempts: Sequence[Attempt]) -> Message:
    return Message(
        id=turn.reply_message_id,
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        parent_id=None,
        llm_request_id=attempts[-1].id if attempts else None,
        sequence_number=0,
        role=MessageRole.ASSISTANT,
        content=content,
        status=MessageStatus.COMPLETE if turn.state is TurnState.COMPLETED else MessageStatus.PARTIAL,
        token_count=None,
        cost=attempts[-1].cost if attempts else None,
        metadata={},
        created_at=turn.created_at,
    )
