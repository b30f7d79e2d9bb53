"""The words of passing turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conversation_engine.domains.llm.types import LLMMessage, Sampling
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a model is to be shown, all of it, and how it is to be answered."""

    owner_id: UserId
    role: Role | None
    messages: Sequence[LLMMessage]
    """Oldest first; never empty."""
    instructions: str | None = None
    """Those among the messages, where they are to be told of."""
    model: str | None = None
    """`None`: the engine's default."""
    sampling: Sampling = field(default_factory=Sampling)
    reply_metadata: Mapping[str, Any] = field(default_factory=dict)
