"""What a call costs, from genai-prices' packaged table."""

from datetime import datetime
from decimal import Decimal

from conversation_engine.domains.llm.types import ModelCard, TokenUsage


def cost_of(card: ModelCard, usage: TokenUsage, *, at: datetime) -> Decimal | None:
    """US dollars at the prices of that day; `None`, never 0, when nobody knows the model's price."""
    if card.is_free:
        return Decimal(0)
    from genai_prices import Usage, calc_price  # 60 ms to import: only once there is something to price

    try:
        price = calc_price(
            Usage(
                input_tokens=usage.input_tokens,
                cache_read_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
            ),
            model_ref=card.provider_model,
            provider_id=card.provider,
            genai_request_timestamp=at,
        )
    except LookupError:
        return None
    return price.total_price
