"""What a call costs, from genai-prices' packaged table."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from conversation_engine.domains.llm.types import ModelCard, TokenUsage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider


def cost_of(card: ModelCard, usage: TokenUsage, *, at: datetime) -> Decimal | None:
    """US dollars at the prices of that day; `None`, never 0, when nobody knows the model's price."""
    if card.is_free:
        return Decimal(0)
    from genai_prices import Usage  # not at the top: see `load_prices`

    known = _find(card.provider, card.provider_model)
    if known is None:
        return None
    provider, model = known
    try:
        used = Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )
        return model.calc_price(used, provider, genai_request_timestamp=at).total_price
    except ValueError:  # counts that cannot be
        return None


def load_prices() -> None:
    """Read the table now rather than at the first price: 0.4 s, which an import of the library must not cost."""
    _find("openai", "gpt-4o")


@lru_cache(maxsize=256)
def _find(provider: str, model: str) -> "tuple[Provider, ModelInfo] | None":
    """The table's entry; the search goes through every model's rules, 0.3 ms a call."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
