"""Which models there are, and who answers for each."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from conversation_engine.domains.llm.errors import BadModelSettingError, UnknownModelError
from conversation_engine.domains.llm.known_models import ModelFacts
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.pricing import load_prices
from conversation_engine.domains.llm.slots import FairSlots, Load
from conversation_engine.domains.llm.tokens import count_tokens
from conversation_engine.domains.llm.types import ModelCard, ModelPrice
from conversation_engine.kernel.text import checked_text

MODEL_LIMIT_CHARACTERS: Final = 255
"""What the column of a turn's model holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What an operator wants to hear of a provider when it does not answer."""

    address: str
    """Without anything secret; empty where there is none."""
    key_setting: str
    """The variable that holds its key."""
    has_key: bool
    needs_key: bool
    """Whether nothing can come of asking it without one."""
    missing: Callable[[], str | None] = field(default=lambda: None)
    """What is not installed that it needs, as a sentence; `None`: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A provider and the rule for its models' names: exactly `name`, or `name/ANYTHING`."""

    provider: ModelProvider
    context_tokens: int
    only_model: str | None = None
    """The provider's own name of its single model; `None` where people name one after the slash."""
    is_free: bool = False
    service: Service = field(default_factory=lambda: Service(address="", key_setting="", has_key=True, needs_key=False))
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    """What is known of its models, by the provider's own names."""
    is_cap: bool = False
    """Whether `context_tokens` is the most that is used of models of which more is known; else it fills gaps only."""
    priced_as: str | None = None
    cannot: frozenset[str] = frozenset()
    """As in `ModelCard`."""
    slots: FairSlots = field(default_factory=lambda: FairSlots(0, wait_seconds=math.inf))
    """How many calls it takes at once; all of its models share them."""


class ModelCatalog:
    """Resolves the names that people use."""

    def __init__(
        self, families: Mapping[str, Family], *, default: str, own_prices: Mapping[str, ModelPrice] | None = None
    ) -> None:
        """`own_prices` by the name that people use, which may end with `*`: the longest that fits counts."""
        self._families = families
        self._default = default
        self._own_prices = dict(sorted((own_prices or {}).items(), key=lambda entry: -len(entry[0])))

    def card(self, name: str | None) -> ModelCard:
        """The model of this name (`None`: the default). Raises UnknownModelError, or InvalidTextError for no name."""
        wanted = checked_text(name or self._default, name="model", limit_characters=MODEL_LIMIT_CHARACTERS)
        family_name, _, model = wanted.partition("/")
        family = self._families.get(family_name)
        if family is None or bool(model) == bool(family.only_model):
            raise UnknownModelError(wanted, self._patterns())
        facts = family.facts.get(family.only_model or model) or ModelFacts()
        return ModelCard(
            name=wanted,
            provider=family.provider.name,
            provider_model=family.only_model or model,
            context_tokens=_used_context(family, facts),
            is_free=family.is_free,
            own_price=self._own_price(wanted),
            priced_as=family.priced_as,
            output_limit_tokens=facts.output_limit_tokens,
            capabilities=facts.capabilities,
            cannot=family.cannot,
        )

    def check_setting(self, setting: str, name: str) -> None:
        """Whether there is a service for the model that a setting names; which models it has, only it knows.

        Raises BadModelSettingError.
        """
        try:
            self.card(name)
        except UnknownModelError as error:
            raise BadModelSettingError(setting, name, self._patterns()) from error

    def family(self, card: ModelCard) -> Family:
        """Whose model this is."""
        return self._families[card.name.partition("/")[0]]

    def names(self) -> Sequence[str]:
        """Every model that somebody has told us of, in the order of the providers; others may exist."""
        known = [
            name if family.only_model else f"{name}/{model}"
            for name, family in self._families.items()
            for model in ([""] if family.only_model else family.facts)
        ]
        return known if self._default in known else [self._default, *known]

    def provider(self, card: ModelCard) -> ModelProvider:
        """Who answers for a card of this catalogue."""
        return self.family(card).provider

    def slots(self, card: ModelCard) -> FairSlots:
        """What limits the calls to its provider."""
        return self.family(card).slots

    def loads(self) -> Mapping[str, Load]:
        """How busy each provider is, by the name before the slash."""
        return {name: family.slots.load for name, family in self._families.items()}

    async def warm_up(self) -> None:
        """Let the default model, the vocabulary and the prices get ready ahead of the first call.

        The vocabulary takes half a second in which nothing else runs: better now than in the first question.
        Raises UnknownModelError.
        """
        card = self.card(None)
        await asyncio.to_thread(count_tokens, "ready")
        await self.provider(card).warm_up()
        if not card.is_free:
            await asyncio.to_thread(load_prices)

    async def aclose(self) -> None:
        """Close every provider, the others too when one fails to."""
        async with AsyncExitStack() as stack:
            for family in self._families.values():
                stack.push_async_callback(family.provider.aclose)

    def _own_price(self, name: str) -> ModelPrice | None:
        if (exact := self._own_prices.get(name)) is not None:
            return exact
        fitting = (
            price
            for pattern, price in self._own_prices.items()
            if pattern.endswith("*") and name.startswith(pattern[:-1])
        )
        return next(fitting, None)

    def _patterns(self) -> list[str]:
        return [name if family.only_model else f"{name}/NAME" for name, family in self._families.items()]


def _used_context(family: Family, facts: ModelFacts) -> int:
    if facts.context_tokens is None:
        return family.context_tokens
    return min(facts.context_tokens, family.context_tokens) if family.is_cap else facts.context_tokens
