"""What is public about models that many people use. Prices are elsewhere: they change by the day (`pricing.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Capability(StrEnum):
    """What a model can do beyond answering text with text, streamed."""

    VISION = "vision"
    FILES = "files"
    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    PROMPT_CACHING = "prompt_caching"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model; `None`: nobody told us."""

    context_tokens: int | None = None
    """Prompt and reply together."""
    output_limit_tokens: int | None = None
    """Longest reply that the service allows."""
    capabilities: frozenset[Capability] | None = None


_ALL: Final = frozenset(Capability)
_CLAUDE: Final = ModelFacts(context_tokens=200_000, output_limit_tokens=64_000, capabilities=_ALL)
_GPT_5: Final = ModelFacts(context_tokens=400_000, output_limit_tokens=128_000, capabilities=_ALL)
_GPT_4_1: Final = ModelFacts(
    context_tokens=1_047_576, output_limit_tokens=32_768, capabilities=_ALL - {Capability.REASONING}
)
_GPT_4O: Final = ModelFacts(
    context_tokens=128_000, output_limit_tokens=16_384, capabilities=_ALL - {Capability.REASONING}
)

LOCAL_FACTS: Final = ModelFacts(capabilities=frozenset({Capability.JSON_SCHEMA}))
"""Of the small model: its template has no place for tools, and llama.cpp would leave them out without a word."""
KNOWN_MODELS: Final[Mapping[str, Mapping[str, ModelFacts]]] = {
    "anthropic": {"claude-haiku-4-5": _CLAUDE, "claude-sonnet-4-5": _CLAUDE, "claude-opus-4-5": _CLAUDE},
    "openai": {
        "gpt-5": _GPT_5,
        "gpt-5-mini": _GPT_5,
        "gpt-5-nano": _GPT_5,
        "gpt-4.1": _GPT_4_1,
        "gpt-4.1-mini": _GPT_4_1,
        "gpt-4.1-nano": _GPT_4_1,
        "gpt-4o": _GPT_4O,
        "gpt-4o-mini": _GPT_4O,
    },
}
"""From the vendors' model pages, by provider and model. Who is not here can be asked for all the same."""
