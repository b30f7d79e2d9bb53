"""What a call costs."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from conversation_engine.domains.llm.pricing import cost_of
from conversation_engine.domains.llm.types import ModelCard, TokenUsage

AT = datetime(2026, 1, 1, tzinfo=UTC)


def card(provider: str, model: str, *, is_free: bool = False) -> ModelCard:
    return ModelCard(
        name=f"{provider}/{model}", provider=provider, provider_model=model, context_tokens=9, is_free=is_free
    )


def usage(read: int, cached: int, wrote: int) -> TokenUsage:
    return TokenUsage(input_tokens=read, cached_tokens=cached, output_tokens=wrote)


class TestCostOf:
    @pytest.mark.parametrize(
        ("used", "dollars"),
        [
            (usage(1_000_000, 0, 0), "2.5"),
            (usage(0, 0, 1_000_000), "10"),
            (usage(1_000_000, 1_000_000, 0), "1.25"),
            (usage(1000, 400, 100), "0.003"),
            (usage(1, 1, 0), "0.00000125"),
            (usage(0, 0, 0), "0"),
        ],
    )
    def test_a_known_price_is_exact(self, used: TokenUsage, dollars: str) -> None:
        assert cost_of(card("openai", "gpt-4o"), used, at=AT) == Decimal(dollars)

    def test_an_unknown_model_costs_nobody_knows_what(self) -> None:
        assert cost_of(card("openai", "our-own-finetune-x"), usage(1, 0, 1), at=AT) is None
        assert cost_of(card("nobody", "gpt-4o"), usage(1, 0, 1), at=AT) is None

    def test_a_model_of_our_own_machine_costs_nothing(self) -> None:
        assert cost_of(card("local", "x", is_free=True), usage(10**9, 0, 10**9), at=AT) == 0

    @pytest.mark.parametrize("used", [usage(3, 9, 1), usage(-1, 0, 0), usage(0, 0, -5)])
    def test_usage_that_cannot_be_has_no_price(self, used: TokenUsage) -> None:
        assert cost_of(card("openai", "gpt-4o"), used, at=AT) is None
