"""One turn on its way through the steps."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.domains.llm.abilities import visible
from conversation_engine.domains.llm.errors import ContextTooLongError
from conversation_engine.domains.llm.service import Answer, ModelCall
from conversation_engine.domains.llm.tokens import tools_tokens_for
from conversation_engine.domains.llm.types import Attempt, LLMMessage, ModelCard
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.evidence import Evidence
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.types import Turn, TurnState

_MOST_OF_FIRST_PAGE: Final = 64
_LEAST_OF_FIRST_PAGE: Final = 12
"""What a question that follows up on something is understood by, and a window that lost messages begins again with."""


def first_page_messages(conversation: Conversation) -> int:
    """How many of the newest messages are read with the admission: all there are if these are fewer.

    As many as the window began with last time, and the one before them; a longer window reads on when it is made.
    """
    if not conversation.window_start or conversation.is_branched:
        return _MOST_OF_FIRST_PAGE
    since_start = conversation.last_sequence - conversation.window_start + 1
    return min(_MOST_OF_FIRST_PAGE, max(_LEAST_OF_FIRST_PAGE, since_start + 1))


@dataclass(slots=True, kw_only=True)
class TurnRun:
    """What the steps know of a running turn; each fills in its part."""

    turn: Turn
    conversation: Conversation
    card: ModelCard
    live: LiveReply
    newest: Sequence[Utterance]
    """The newest messages, at most `first_page_messages`, newest first: read with the admission."""
    evidence: Evidence | None = None
    """What was looked up in documents; `None` where nothing was to be."""
    window: Window | None = None
    attempts: list[Attempt] = field(default_factory=list)
    """The model calls so far, in order."""
    kept_attempts: int = 0
    """How many of them are on record already: those of a reply that was begun anew."""
    is_promised: bool = False
    """Whether budgets may have been promised something for this turn."""
    promised_input_tokens: int | None = None
    """What they were promised for the prompt; `None` where nothing was, or an earlier process did."""
    error: EngineError | None = None
    is_fallback: bool = False
    """What stands in `live` was said by us, because no model could answer."""
    stop_as: TurnState | None = None
    """Set when somebody wants it to end: `cancelled` or `interrupted`."""
    generation: asyncio.Task[Answer] | None = None

    def stop(self, state: TurnState) -> None:
        """Make it end as `state`, with what was said so far; the upstream connection is closed. Idempotent."""
        if self.stop_as is None:
            self.stop_as = state
        if self.generation is not None:
            self.generation.cancel()

    def call(self, *, attempt: int) -> ModelCall:
        """What the model is asked, once there is a window; `attempt` numbers it among the calls of the turn."""
        window = self.window
        if window is None:
            raise AssertionError("a window is assembled before the model is called")
        return ModelCall(
            conversation_id=self.turn.conversation_id,
            owner_id=self.turn.owner_id,
            turn_id=self.turn.id,
            attempt=attempt,
            card=self.card,
            messages=[
                LLMMessage(role, visible(self.card, parts) if parts else text)
                for role, text, _, parts in window.messages
            ],
            sampling=self.turn.sampling,
            input_tokens=window.input_tokens + tools_tokens_for(self.card, self.turn.sampling),
            stable_messages=window.stable_messages,
        )

    @property
    def is_prompt_too_long(self) -> bool:
        """Whether the provider said so, and nothing else."""
        return isinstance(self.error, ContextTooLongError) and self.live.length == 0

    def outcome(self) -> TurnState:
        """The state it ends in."""
        if self.error is not None:
            return TurnState.FAILED
        if self.evidence is not None and self.evidence.is_absent:
            return TurnState.COMPLETED
        if self.attempts and self.attempts[-1].finish_reason is not None:
            return TurnState.COMPLETED
        return self.stop_as or TurnState.FAILED
