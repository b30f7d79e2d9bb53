"""Models on the wire."""

from decimal import Decimal

from pydantic import BaseModel, Field

from conversation_engine.domains.llm.types import ModelCheck, ModelListing


class PriceOut(BaseModel):
    """US dollars per million tokens."""

    input: Decimal | None
    output: Decimal | None
    cached: Decimal | None = Field(description="Input from the prompt cache; null: as `input`.")
    cache_write: Decimal | None = Field(description="Input that is written to the prompt cache; null: as `input`.")


class ModelOut(BaseModel):
    """A model that can be named in a conversation or a turn."""

    id: str = Field(description="The name to use as `model`.")
    provider: str
    context_tokens: int | None = Field(description="What the model can hold, prompt and reply; null: unknown.")
    window_tokens: int = Field(description="How much of that is used here.")
    output_limit_tokens: int | None = Field(description="Longest reply that its service allows; null: unknown.")
    capabilities: list[str] | None = Field(description="`vision`, `tools`, `reasoning`, …; null: unknown.")
    price: PriceOut | None = Field(description="Today's, for a short prompt; null: unknown.")
    is_default: bool = Field(description="Answers where no model is named.")
    fallback_rank: int | None = Field(description="1 is asked first when another model cannot answer.")
    is_usable: bool = Field(description="Whether it can be asked now, as far as is known without asking it.")
    unusable_reason: str | None = Field(description="`no_key`, `not_installed` or `circuit_open`.")

    @staticmethod
    def of(listing: ModelListing) -> "ModelOut":
        """The wire shape of a catalogue entry."""
        card, price = listing.card, listing.price
        return ModelOut(
            id=card.name,
            provider=card.provider,
            context_tokens=listing.context_tokens,
            window_tokens=card.context_tokens,
            output_limit_tokens=card.output_limit_tokens,
            capabilities=None if listing.capabilities is None else list(listing.capabilities),
            price=None
            if price is None
            else PriceOut(input=price.input, output=price.output, cached=price.cached, cache_write=price.cache_write),
            is_default=listing.is_default,
            fallback_rank=listing.fallback_rank,
            is_usable=listing.unusable is None,
            unusable_reason=listing.unusable,
        )


class ModelList(BaseModel):
    """The catalogue."""

    items: list[ModelOut]


class ModelCheckOut(BaseModel):
    """What came of asking a model for a word."""

    model: str
    ok: bool
    verdict: str = Field(
        description="`ok`, `no_key`, `wrong_key`, `no_such_model`, `no_such_address`, `unreachable`, …"
    )
    detail: str = Field(description="What is wrong where, and what to do.")
    cause: str | None = Field(description="The service's own words.")
    latency_ms: int

    @staticmethod
    def of(check: ModelCheck) -> "ModelCheckOut":
        """The wire shape of a check."""
        return ModelCheckOut(
            model=check.model,
            ok=check.is_ok,
            verdict=check.verdict,
            detail=check.sentence,
            cause=check.cause,
            latency_ms=check.latency_ms,
        )
