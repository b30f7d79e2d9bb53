"""Which models there are."""

from typing import Any

import pytest
import toktok

from conversation_engine.domains.llm.catalog import Family, ModelCatalog
from conversation_engine.domains.llm.errors import BadModelSettingError, UnknownModelError
from conversation_engine.domains.llm.types import ModelCard
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog, make_llm
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.testing import ScriptedModel


class Closing(ScriptedModel):
    """Counts how often it was closed and warmed up."""

    def __init__(self, name: str, *, defect: bool = False) -> None:
        super().__init__()
        self.name = name
        self.closes = self.warm_ups = 0
        self._defect = defect

    async def warm_up(self) -> None:
        self.warm_ups += 1

    async def aclose(self) -> None:
        self.closes += 1
        if self._defect:
            raise RuntimeError("a defect")


LOCAL, HOSTED = Closing("local"), Closing("openai")


@pytest.fixture
def catalog() -> ModelCatalog:
    return ModelCatalog(
        {
            "local": Family(provider=LOCAL, context_tokens=1024, only_model="smol", is_free=True),
            "openai": Family(provider=HOSTED, context_tokens=128_000),
        },
        default="local",
    )


class TestCard:
    def test_a_family_with_one_model_is_named_alone(self, catalog: ModelCatalog) -> None:
        assert catalog.card("local") == ModelCard(
            name="local", provider="local", provider_model="smol", context_tokens=1024, is_free=True
        )

    @pytest.mark.parametrize("model", ["gpt-5-mini", "org/model:latest", "Zoë"])
    def test_others_name_the_model_after_the_slash(self, catalog: ModelCatalog, model: str) -> None:
        assert catalog.card(f"openai/{model}") == ModelCard(
            name=f"openai/{model}", provider="openai", provider_model=model, context_tokens=128_000
        )

    @pytest.mark.parametrize("name", [None, ""])
    def test_no_name_is_the_default(self, catalog: ModelCatalog, name: str | None) -> None:
        assert catalog.card(name).name == "local"

    @pytest.mark.parametrize("name", ["openai", "openai/", "local/smol", "gpt-5-mini", "OPENAI/x", "nobody/x", "/x"])
    def test_other_names_are_unknown_and_the_error_lists_the_known(self, catalog: ModelCatalog, name: str) -> None:
        with pytest.raises(UnknownModelError) as refused:
            catalog.card(name)
        assert refused.value.facts == {"model": name, "known": ["local", "openai/NAME"]}

    @pytest.mark.parametrize("name", ["openai/\x00", "nobody/\ud800", "openai/" + "x" * 300, " "])
    def test_what_cannot_be_a_name_is_refused(self, catalog: ModelCatalog, name: str) -> None:
        with pytest.raises(InvalidInputError):
            catalog.card(name)


class TestProvider:
    @pytest.mark.parametrize(("name", "provider"), [("local", LOCAL), ("openai/x", HOSTED)])
    def test_a_card_leads_to_who_answers(self, catalog: ModelCatalog, name: str, provider: Closing) -> None:
        assert catalog.provider(catalog.card(name)) is provider


class TestLife:
    async def test_only_the_default_is_warmed_up(self) -> None:
        one, two = Closing("one"), Closing("two")
        families = {name: Family(provider=p, context_tokens=9) for name, p in (("one", one), ("two", two))}
        await ModelCatalog(families, default="two/x").warm_up()
        assert (one.warm_ups, two.warm_ups) == (0, 1)

    async def test_the_first_question_does_not_wait_for_the_vocabulary(self) -> None:
        toktok._CACHE.clear()
        await ModelCatalog({"one": Family(provider=Closing("one"), context_tokens=9)}, default="one/x").warm_up()
        assert [name for name, _ in toktok._CACHE] == ["o200k_base"]

    async def test_all_are_closed_even_if_one_cannot_be(self) -> None:
        one, two = Closing("one", defect=True), Closing("two")
        families = {name: Family(provider=p, context_tokens=9) for name, p in (("one", one), ("two", two))}
        with pytest.raises(RuntimeError):
            await ModelCatalog(families, default="two/x").aclose()
        assert (one.closes, two.closes) == (1, 1)


def start(**settings: Any) -> None:
    """As an engine does."""
    made = Settings(**settings)
    make_llm(made, make_catalog(made, {}), SystemClock())


class TestSettings:
    """What an operator names is looked at when the engine is made, not when somebody is waiting for a reply."""

    @pytest.mark.parametrize(
        ("settings", "variable"),
        [
            ({"model": "opnai/gpt-5-mini"}, "CE_MODEL"),
            ({"model": "gpt-5-mini"}, "CE_MODEL"),
            ({"model": "local/smol"}, "CE_MODEL"),
            ({"profile": "production", "production_model": "opnai/gpt-5"}, "CE_PRODUCTION_MODEL"),
            ({"profile": "testing", "testing_model": "vllm/qwen"}, "CE_TESTING_MODEL"),
            ({"fallback_models": ["local", "vllm/qwen"]}, "CE_FALLBACK_MODELS"),
            ({"summary_model": "vllm/qwen"}, "CE_SUMMARY_MODEL"),
            ({"understanding_model": "vllm/qwen"}, "CE_UNDERSTANDING_MODEL"),
            ({"titles": "vllm/qwen"}, "CE_TITLES"),
        ],
    )
    def test_a_service_that_there_is_not_is_refused_with_what_to_do(
        self, settings: dict[str, Any], variable: str
    ) -> None:
        with pytest.raises(BadModelSettingError) as refused:
            start(**settings)
        assert variable in refused.value.detail
        assert "CE_PROVIDERS__" in refused.value.detail
        assert "openai/NAME" in refused.value.detail

    @pytest.mark.parametrize(
        "settings",
        [
            {"model": "openai/made-yesterday"},
            {"fallback_models": ["anthropic/made-yesterday", "local"], "summary_model": "conversation"},
            {"model": "vllm/qwen", "providers": {"vllm": {"base_url": "http://gpu:8000/v1"}}},
            {"profile": "production", "testing_model": "nobody/asks-for-it"},
        ],
    )
    def test_a_model_that_only_its_service_knows_is_taken(self, settings: dict[str, Any]) -> None:
        start(**settings)
