"""Which models answer, and how long we wait for them."""

from decimal import Decimal
from typing import Annotated

import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

Dollars = Annotated[Decimal, Field(ge=0, le=10_000, max_digits=18, decimal_places=12)]
"""Per million tokens."""


def _names(value: object) -> object:
    """A list, as JSON or with commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return pydantic_core.from_json(value)
    return [name.strip() for name in value.split(",") if name.strip()]


class PriceSetting(BaseModel):
    """A model's price, in US dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None


class LlmSettings(BaseModel):
    """Models by name: `local`, `openai/NAME` or `anthropic/NAME`."""

    model: str = Field(
        "local",
        description="The model that answers unless a conversation or a turn names another: "
        "`local`, `openai/NAME` or `anthropic/NAME`.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        description="Where `openai/…` models are: OpenAI or any endpoint that speaks its chat completions.",
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for `openai/…` models.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Where `anthropic/…` models are.")
    anthropic_api_key: SecretStr | None = Field(None, description="Key for `anthropic/…` models.")
    local_model_slots: int = Field(2, ge=1, description="Conversations the local model answers at the same time.")
    local_model_threads: int = Field(
        0,
        ge=0,
        description="CPU threads of the local model; 0: one fewer than the machine has, shared by the workers. One "
        "too many on a busy machine is slower by far: they wait for each other by spinning.",
    )
    model_context_tokens: int = Field(
        128_000, ge=256, description="Context length assumed for a hosted model, prompt and reply together."
    )
    model_prices: dict[str, PriceSetting] = Field(
        default_factory=dict,
        description="Own prices by model, in US dollars per million tokens, instead of the packaged table's: "
        '`{"openai/our-llama": {"input": "0.10", "output": "0.40", "cached": "0.02", "cache_write": "0.12"}}`. The '
        "last two may be left out (as `input`); `0` is free. A name may end with `*`.",
    )
    reply_limit_tokens: int = Field(1024, ge=1, description="Longest reply asked for unless a turn says otherwise.")
    connect_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for a connection to a model service.")
    first_token_timeout_seconds: float = Field(60.0, gt=0, description="Longest wait for the first token of a reply.")
    between_tokens_timeout_seconds: float = Field(30.0, gt=0, description="Longest silence inside a reply.")
    total_timeout_seconds: float = Field(600.0, gt=0, description="Longest time one model call may take.")
    retry_count: int = Field(
        2, ge=0, le=20, description="How often a model is asked again that failed before its first word."
    )
    retry_base_seconds: float = Field(
        0.5, ge=0, description="Wait before the first of them; it doubles each time, with jitter of up to half."
    )
    retry_longest_seconds: float = Field(
        20.0,
        ge=0,
        description="Longest single wait. A service that asks for more (`Retry-After`) is not asked again; the "
        "fallback models are.",
    )
    retry_window_seconds: float = Field(
        60.0, ge=0, description="Time after the first call in which one model may be asked again."
    )
    fallback_models: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        default_factory=list,
        description="Models that answer, in this order, when the one that was asked cannot: "
        "`openai/gpt-5-mini,local`. Never after the first word of a reply.",
    )
    circuit_faults: int = Field(
        5,
        ge=0,
        description="Faults of its service in a row after which a model is left alone; 0: never. Rate limits, "
        "credentials and parameters are no faults of the service.",
    )
    circuit_open_seconds: float = Field(30.0, gt=0, description="How long; then one call tries whether it works again.")
    provider_concurrency: int = Field(
        64,
        ge=0,
        description="Calls that run at one provider at the same time, in one process; 0: no limit. Who waits is served "
        "in turn with other users, however many calls each has waiting.",
    )
    provider_wait_seconds: float = Field(60.0, gt=0, description="Longest wait for one of them to become free.")
