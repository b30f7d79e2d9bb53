"""What a call costs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conversation_engine.domains.llm.pricing import cost_of, price_of
from conversation_engine.domains.llm.types import ModelCard, ModelPrice, TokenUsage
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog
from conversation_engine.kernel.money import exact_dollars

AT = datetime(2026, 1, 1, tzinfo=UTC)
SONNET = ("anthropic", "claude-sonnet-4-5")


def card(provider: str, model: str, **fields: Any) -> ModelCard:
    return ModelCard(name=f"{provider}/{model}", provider=provider, provider_model=model, context_tokens=9, **fields)


def usage(read: int, cached: int, wrote: int, *, written: int = 0, reasoned: int = 0) -> TokenUsage:
    return TokenUsage(
        input_tokens=read,
        cached_tokens=cached,
        output_tokens=wrote,
        cache_write_tokens=written,
        reasoning_tokens=reasoned,
    )


@st.composite
def usages(draw: st.DrawFn) -> TokenUsage:
    read, wrote = draw(st.integers(0, 2_000_000)), draw(st.integers(0, 200_000))
    cached = draw(st.integers(0, read))
    written, reasoned = draw(st.integers(0, read - cached)), draw(st.integers(0, wrote))
    return usage(read, cached, wrote, written=written, reasoned=reasoned)


prices = st.decimals(0, 1000, places=9, allow_nan=False, allow_infinity=False)
model_prices = st.builds(
    ModelPrice,
    input=prices,
    output=prices,
    cached=st.none() | prices,
    cache_write=st.none() | prices,
    reasoning=st.none() | prices,
)


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
            (usage(0, 0, 100, reasoned=90), "0.001"),
        ],
    )
    def test_a_known_price_is_exact(self, used: TokenUsage, dollars: str) -> None:
        assert cost_of(card("openai", "gpt-4o"), used, at=AT) == Decimal(dollars)

    @pytest.mark.parametrize(
        ("used", "dollars"),
        [
            (usage(10_000, 0, 0, written=10_000), "0.0375"),
            (usage(10_000, 4_000, 100, written=5_000), "0.02445"),
            (usage(200_000, 0, 1_000), "0.615"),
            (usage(200_001, 0, 1_000), "1.222506"),
        ],
    )
    def test_cache_writes_and_long_prompts_have_their_own_prices(self, used: TokenUsage, dollars: str) -> None:
        assert cost_of(card(*SONNET), used, at=AT) == Decimal(dollars)

    def test_reasoning_has_its_own_price_where_the_table_says_so(self) -> None:
        used = usage(0, 0, 1_000_000, reasoned=600_000)
        assert cost_of(card("perplexity", "sonar-deep-research"), used, at=AT) == Decimal("5")

    def test_it_is_the_price_of_the_day(self) -> None:
        before, after = datetime(2025, 6, 9, tzinfo=UTC), datetime(2025, 6, 11, tzinfo=UTC)
        used = usage(1_000_000, 0, 0)
        assert [cost_of(card("openai", "o3"), used, at=at) for at in (before, after)] == [10, 2]

    def test_an_unknown_model_costs_nobody_knows_what(self) -> None:
        assert cost_of(card("openai", "our-own-finetune-x"), usage(1, 0, 1), at=AT) is None
        assert cost_of(card("nobody", "gpt-4o"), usage(1, 0, 1), at=AT) is None

    def test_what_is_not_sold_by_the_token_has_no_price_rather_than_none_to_pay(self) -> None:
        assert cost_of(card("openai", "whisper-1"), usage(100, 0, 100), at=AT) is None

    def test_a_model_of_our_own_machine_costs_nothing(self) -> None:
        assert cost_of(card("local", "x", is_free=True), usage(10**9, 0, 10**9), at=AT) == 0

    @pytest.mark.parametrize(
        "used",
        [usage(3, 9, 1), usage(-1, 0, 0), usage(0, 0, -5), usage(3, 2, 1, written=2), usage(0, 0, 1, reasoned=2)],
    )
    @pytest.mark.parametrize("own_price", [None, ModelPrice(input=Decimal(1), output=Decimal(1))])
    def test_usage_that_cannot_be_has_no_price(self, used: TokenUsage, own_price: ModelPrice | None) -> None:
        assert cost_of(card("openai", "gpt-4o", own_price=own_price), used, at=AT) is None

    @given(usages(), st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)), st.data())  # noqa: DTZ001
    def test_it_is_what_the_table_itself_comes_to(self, used: TokenUsage, at: datetime, data: st.DataObject) -> None:
        provider = data.draw(st.sampled_from(get_snapshot().providers))
        model = data.draw(st.sampled_from(provider.models))
        own = model.get_prices(at)
        if own.input_mtok is None or own.output_mtok is None or provider.find_model(model.id) is not model:
            return
        theirs = model.calc_price(
            Usage(
                input_tokens=used.input_tokens,
                cache_read_tokens=used.cached_tokens,
                cache_write_tokens=used.cache_write_tokens,
                output_tokens=used.output_tokens,
                output_reasoning_tokens=used.reasoning_tokens,
            ),
            provider,
            genai_request_timestamp=at,
        )
        ours = cost_of(card(provider.id, model.id), used, at=at)
        assert ours == exact_dollars(theirs.total_price)


class TestOwnPrices:
    def test_they_go_before_the_table(self) -> None:
        own = ModelPrice(input=Decimal("0.1"), output=Decimal("0.4"), cached=Decimal("0.02"))
        priced = card("openai", "gpt-4o", own_price=own)
        assert cost_of(priced, usage(1_000_000, 500_000, 1_000_000), at=AT) == Decimal("0.46")
        free = card("openai", "gpt-4o", own_price=ModelPrice(input=Decimal(0), output=Decimal(0)))
        assert cost_of(free, usage(1_000_000, 0, 1_000_000), at=AT) == 0

    @given(model_prices, usages())
    def test_what_is_kept_is_what_was_reckoned(self, own: ModelPrice, used: TokenUsage) -> None:
        cost = cost_of(card("openai", "x", own_price=own), used, at=AT)
        assert cost is not None
        assert cost == exact_dollars(cost) >= 0

    def test_they_are_set_by_model_the_longest_pattern_first(self) -> None:
        settings = Settings(
            model_prices={  # type: ignore[arg-type]
                "openai/*": {"input": "1", "output": "2"},
                "openai/our-*": {"input": "0.5", "output": "1"},
                "openai/our-llama": {"input": "0", "output": "0", "cache_write": "3"},
            }
        )
        catalog = make_catalog(settings, {})
        found = {
            name: catalog.card(name).own_price for name in ("openai/x", "openai/our-x", "openai/our-llama", "local")
        }
        assert {name: price and price.input for name, price in found.items()} == {
            "openai/x": 1,
            "openai/our-x": Decimal("0.5"),
            "openai/our-llama": 0,
            "local": None,
        }

    @pytest.mark.parametrize("price", [{"input": "-1", "output": "1"}, {"input": "1"}, {"input": "1", "output": "NaN"}])
    def test_a_price_that_makes_no_sense_is_refused_at_start(self, price: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            Settings(model_prices={"openai/x": price})  # type: ignore[dict-item]

    def test_they_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CE_MODEL_PRICES", '{"openai/x": {"input": "0.15", "output": "0.6"}}')
        assert Settings().model_prices["openai/x"].input == Decimal("0.15")


class TestPriceOf:
    def test_nothing_is_cached_and_everything_is_written_to_the_cache(self) -> None:
        assert price_of(card(*SONNET), 10_000, 1_000, AT) == Decimal("0.0525")
        assert price_of(card("openai", "gpt-4o"), 1_000, 100, AT) == Decimal("0.0035")

    @given(usages(), model_prices | st.none())
    def test_no_call_of_that_size_costs_more(self, used: TokenUsage, own: ModelPrice | None) -> None:
        asked = card(*SONNET, own_price=own)
        most, cost = price_of(asked, used.input_tokens, used.output_tokens, AT), cost_of(asked, used, at=AT)
        assert most is not None
        assert cost is not None
        assert cost <= most

    def test_an_unknown_price_stays_unknown(self) -> None:
        assert price_of(card("openai", "our-own-finetune-x"), 10, 10, AT) is None

    def test_a_free_model_costs_nothing(self) -> None:
        assert price_of(card("local", "x", is_free=True), 10, 10, AT) == 0
