"""Knobs of the write path."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class TurnSettings(BaseModel):
    """Leases, checkpoints and stopping."""

    lease_seconds: float = Field(
        30.0, gt=0, description="How long a turn stays its process's own without a sign of life from it."
    )
    sweep_seconds: float = Field(10.0, gt=0, description="How often a process looks for turns whose lease ran out.")
    checkpoint_interval_seconds: float = Field(
        0.02,
        ge=0,
        description="Shortest time between two checkpoints of running replies, all turns together.",
    )
    on_busy: Literal["reject", "queue", "interrupt"] = Field(
        "reject",
        description="What happens to a turn whose conversation is still answering, unless the request says: "
        "`reject` (409), `queue`, or `interrupt` the running one.",
    )
    queue_limit: int = Field(10, ge=1, description="Most turns that wait in line in one conversation.")
    recovery: Literal["interrupt", "retry"] = Field(
        "interrupt",
        description="What becomes of a turn whose process died: `interrupt` keeps what was said; `retry` asks the "
        "model once more, and interrupts if that process dies too.",
    )
    on_broken_reply: Literal["keep", "retry"] = Field(
        "keep",
        description="What becomes of a reply in the middle of which the model broke off: `keep` ends the turn `failed` "
        "with what was said; `retry` begins it anew once, and watchers are told (`turn.restarted`).",
    )
    fallback_reply: str = Field(
        "I cannot answer right now. Please try again in a moment.",
        max_length=10_000,
        description="Said in place of a reply when no model could answer: marked (`status: fallback`) and never "
        "shown to a model. Empty: nothing is said, the turn fails with its error alone.",
    )
    fallback_replies: dict[str, Annotated[str, Field(max_length=10_000)]] = Field(
        default_factory=dict,
        description="The same for conversations of some types: "
        '`{"tutoring": "Your tutor is away for a moment.", "api": ""}`.',
    )
    stop_poll_seconds: float = Field(
        0.1, gt=0, description="How often a process looks whether another one wants a turn of its stopped."
    )
    heartbeat_seconds: float = Field(15.0, gt=0, description="Longest silence of an event stream.")
    grace_seconds: float = Field(
        2.0, ge=0, description="How long running turns may go on when the process is asked to stop."
    )
    log_words: bool = Field(
        False,
        description="For development: with CE_LOG_LEVEL=DEBUG, lines of a turn have what people, documents and models "
        "said, as `words`.",
    )

    def fallback_reply_for(self, conversation_type: str) -> str:
        """What is said there when no model could answer; empty: nothing."""
        return self.fallback_replies.get(conversation_type, self.fallback_reply)
