"""Which models answer, and how long we wait for them."""

from decimal import Decimal
from typing import Annotated, Literal

import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from conversation_engine.domains.llm.known_models import Capability

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


class ModelSetting(BaseModel):
    """What an operator knows of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    context_tokens: int | None = Field(None, ge=256)
    """Prompt and reply together."""
    output_limit_tokens: int | None = Field(None, ge=1)
    capabilities: frozenset[Capability] | None = None


def _by_name(value: object) -> object:
    """Names alone, or names with what is known of each."""
    return {name: {} for name in value} if isinstance(value, list | tuple) else value


class ProviderSetting(BaseModel):
    """A model service: where it is and how it is spoken to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["openai", "anthropic"] = "openai"
    """Which protocol it speaks."""
    base_url: str
    """Without `/chat/completions` or `/v1/messages`."""
    api_key: SecretStr | None = None
    key_header: str | None = None
    """The header that carries the key, bare; `None`: as the protocol has it (`Authorization: Bearer`, `x-api-key`)."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every call; kept as secret as the key."""
    query: dict[str, str] = Field(default_factory=dict)
    """Added to the address of every call, such as `api-version`."""
    models: Annotated[dict[str, ModelSetting], BeforeValidator(_by_name)] = Field(default_factory=dict)
    """Those to list; others can be asked for all the same."""
    context_tokens: int | None = Field(None, ge=256)
    """Of those of its models of which nothing else is known."""
    reply_limit_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    """What the OpenAI dialect calls the longest reply here; `None`: by the address."""
    concurrency: int | None = Field(None, ge=0)
    """In place of `CE_PROVIDER_CONCURRENCY`."""
    priced_as: str | None = None
    """The price table's name of it, such as `azure`; `None`: its own name here."""


class LlmSettings(BaseModel):
    """Models by name: `local`, `openai/NAME`, `anthropic/NAME`, or `PROVIDER/NAME` of `CE_PROVIDERS`."""

    profile: Literal["laptop", "testing", "production"] = Field(
        "laptop",
        description="Which model answers where none is named: `laptop` the local one, `testing` a cheap one "
        "(`CE_TESTING_MODEL`), `production` a strong one (`CE_PRODUCTION_MODEL`).",
    )
    model: str | None = Field(
        None,
        description="The model that answers unless a conversation or a turn names another, whatever the profile: "
        "`local`, `openai/NAME`, `anthropic/NAME`, or `PROVIDER/NAME` of `CE_PROVIDERS`.",
    )
    testing_model: str = Field("anthropic/claude-haiku-4-5", description="Answers with `CE_PROFILE=testing`.")
    production_model: str = Field("anthropic/claude-sonnet-4-5", description="Answers with `CE_PROFILE=production`.")
    providers: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], ProviderSetting] = Field(
        default_factory=dict,
        description="More model services, any number, by the name that goes before the slash, as JSON or one by one: "
        "`CE_PROVIDERS__GROQ__BASE_URL`, `…__API_KEY`, `…__KIND` (`openai` or `anthropic`): docs/models.md.",
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
        128_000,
        ge=256,
        description="The most of a hosted model's context that is used, prompt and reply together, unless "
        "`CE_PROVIDERS` says otherwise; less where the model is known to hold less.",
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

    @field_validator("providers")
    @classmethod
    def _leave_the_local_model(cls, providers: dict[str, ProviderSetting]) -> dict[str, ProviderSetting]:
        if "local" in providers:
            raise ValueError("`local` is the model that comes with the engine; choose another name")
        return providers

    @property
    def default_model(self) -> str:
        """The model that answers unless somebody names another."""
        by_profile = {"laptop": "local", "testing": self.testing_model, "production": self.production_model}
        return self.model or by_profile[self.profile]
