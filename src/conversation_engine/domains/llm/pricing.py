"""What a call costs: the operator's own prices, else those of genai-prices' packaged table on the day of the call."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from conversation_engine.domains.llm.types import ModelCard, ModelPrice, TokenUsage
from conversation_engine.kernel.money import exact_dollars

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, TieredPrices

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Ten digits of tokens times any price that fits a setting, nothing rounded on the way."""


def cost_of(card: ModelCard, usage: TokenUsage, *, at: datetime) -> Decimal | None:
    """US dollars at the prices of that day, in whole picodollars; `None`, never 0, when nobody knows the price.

    Cached input, cache writes, reasoning and the dearer tiers of long prompts are priced as the table says.
    """
    if card.is_free:
        return Decimal(0)
    price = card.own_price or _listed(card, usage.input_tokens, at)
    dollars = None if price is None else _sum(price, usage)
    return None if dollars is None else exact_dollars(dollars)


def price_of(card: ModelCard, input_tokens: int, output_tokens: int, at: datetime) -> Decimal | None:
    """The most that a call of this size can cost on that day; `None` when nobody knows the price.

    Nothing of the prompt comes from the cache, and all of it is written there where that costs more; the reply is
    reasoning where that costs more.
    """
    if card.is_free:
        return Decimal(0)
    price = card.own_price or _listed(card, input_tokens, at)
    if price is None:
        return None
    dearest = ModelPrice(
        input=_dearest(price.input, price.cached, price.cache_write),
        output=_dearest(price.output, price.reasoning),
        call=price.call,
    )
    dollars = _sum(dearest, TokenUsage(input_tokens=input_tokens, cached_tokens=0, output_tokens=output_tokens))
    return None if dollars is None else exact_dollars(dollars)


def list_price_of(card: ModelCard, at: datetime) -> ModelPrice | None:
    """What is charged per million tokens on that day, for a short prompt; `None` when nobody knows."""
    if card.is_free:
        return ModelPrice(input=Decimal(0), output=Decimal(0))
    return card.own_price or _listed(card, 0, at)


def load_prices() -> None:
    """Read the table now rather than at the first price: 0.4 s, which an import of the library must not cost."""
    _find("openai", "gpt-4o")


def _sum(price: ModelPrice, usage: TokenUsage) -> Decimal | None:
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    said = usage.output_tokens - usage.reasoning_tokens
    parts = (
        (plain, price.input),
        (usage.cached_tokens, _either(price.cached, price.input)),
        (usage.cache_write_tokens, _either(price.cache_write, price.input)),
        (said, price.output),
        (usage.reasoning_tokens, _either(price.reasoning, price.output)),
    )
    total = price.call
    for tokens, dollars in parts:
        if tokens < 0 or (tokens and dollars is None):  # counts that cannot be, or what nobody has priced
            return None
        if tokens and dollars:
            total = _EXACT.add(total, _EXACT.multiply(Decimal(tokens).scaleb(-6), dollars))
    return total


def _dearest(general: Decimal | None, *parts: Decimal | None) -> Decimal | None:
    """Of what is known; `None` where the price of the whole is not."""
    return None if general is None else max([general, *(part for part in parts if part is not None)])


def _either(own: Decimal | None, general: Decimal | None) -> Decimal | None:
    return general if own is None else own


def _listed(card: ModelCard, input_tokens: int, at: datetime) -> ModelPrice | None:
    """The table's prices on that day for a prompt of this length: some models charge more for long ones.

    Read from the entry rather than asked of its own `calc_price`, which takes a quarter of a millisecond a call and
    gives 0 for what has no price. A test compares the two over the whole table.
    """
    known = _find(card.priced_as or card.provider, card.provider_model)
    if known is None:
        return None
    prices = known.get_prices(at)

    def at_length(price: "Decimal | TieredPrices | None") -> Decimal | None:
        if price is None or isinstance(price, Decimal):
            return price
        reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
        return reached[-1] if reached else price.base

    calls = at_length(prices.requests_kcount) or Decimal(0)
    return ModelPrice(
        input=at_length(prices.input_mtok),
        output=at_length(prices.output_mtok),
        cached=at_length(prices.cache_read_mtok),
        cache_write=at_length(prices.cache_write_mtok),
        reasoning=at_length(prices.output_reasoning_mtok),
        call=calls.scaleb(-3),
    )


@lru_cache(maxsize=256)
def _find(provider: str, model: str) -> "ModelInfo | None":
    """The table's entry; the search goes through every model's rules, 0.3 ms a call."""
    from genai_prices.data_snapshot import get_snapshot  # not at the top: see `load_prices`

    try:
        return get_snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None
