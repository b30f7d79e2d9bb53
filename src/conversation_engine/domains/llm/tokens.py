"""How many tokens a text is, before a provider has said so.

o200k is exact for OpenAI's models. Other vocabularies are smaller and need more tokens for the same text, so for
them the count is multiplied by a ratio on the safe side; the provider's own usage is the truth afterwards.
"""

import math
from typing import Final

import toktok

from conversation_engine.domains.llm.types import ModelCard

MESSAGE_OVERHEAD_TOKENS: Final = 5
"""What a chat template adds around one message: role and separators (ChatML: 4 to 5)."""

_RATIO_BY_PROVIDER: Final = {"openai": 1.0, "anthropic": 1.25, "local": 1.35}
"""Tokens of the provider's vocabulary per o200k token, rounded up from samples of English prose, code and lists."""


def count_tokens(text: str) -> int:
    """o200k tokens of `text`: 37 µs per thousand, no I/O, no network."""
    return int(toktok.batch_count([text], "o200k_base", threads=1)[0])


def tokens_for(card: ModelCard, o200k_tokens: int) -> int:
    """What `o200k_tokens` come to in this model's vocabulary, on the safe side."""
    return math.ceil(o200k_tokens * ratio_for(card))


def ratio_for(card: ModelCard) -> float:
    """This model's tokens per o200k token, on the safe side."""
    return _RATIO_BY_PROVIDER.get(card.provider, 1.25)
