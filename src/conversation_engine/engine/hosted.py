"""Hosted model services as the settings have them: the two with settings of their own, and CE_PROVIDERS."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from conversation_engine.domains.llm.abilities import FILE_URL, JSON_OBJECT
from conversation_engine.domains.llm.catalog import Family, Service
from conversation_engine.domains.llm.known_models import KNOWN_MODELS, ModelFacts
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.settings import ModelSetting, ProviderSetting
from conversation_engine.domains.llm.slots import FairSlots
from conversation_engine.engine.settings import SETTINGS_PREFIX, Settings
from conversation_engine.turns.summarizing import OWN_MODEL
from conversation_engine.turns.titles import OFF, RULES

_NEEDS_KEY: Final = frozenset({"api.openai.com", "api.anthropic.com"})


def hosted_services(settings: Settings) -> Mapping[str, ProviderSetting]:
    """By the name before the slash. `CE_PROVIDERS` may say otherwise what `openai` and `anthropic` are."""
    own = {
        "openai": ProviderSetting(base_url=settings.openai_base_url, api_key=settings.openai_api_key),
        "anthropic": ProviderSetting(
            kind="anthropic", base_url=settings.anthropic_base_url, api_key=settings.anthropic_api_key
        ),
    }
    return own | settings.providers


def models_by_setting(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every model that is named in the settings, after the variable that names it."""
    by_profile = {"testing": "testing_model", "production": "production_model"}
    own = "model" if settings.model else by_profile.get(settings.profile, "profile")
    yield _variable(own), settings.default_model
    for name in settings.fallback_models:
        yield _variable("fallback_models"), name
    for setting, model in (
        ("summary_model", settings.summary_model),
        ("understanding_model", settings.understanding_model),
        ("titles", None if settings.titles in (OFF, RULES) else settings.titles),
    ):
        if model not in (None, OWN_MODEL):
            yield _variable(setting), str(model)


def _variable(setting: str) -> str:
    return SETTINGS_PREFIX + setting.upper()


def hosted_family(settings: Settings, name: str, setting: ProviderSetting, provider: ModelProvider) -> Family:
    """What the catalogue is to know of such a service."""
    is_own = name not in settings.providers
    concurrency = settings.provider_concurrency if setting.concurrency is None else setting.concurrency
    host, address = place_of(setting.base_url)
    key_setting = f"{name}_api_key" if is_own else f"providers__{name}__api_key"
    return Family(
        provider=provider,
        context_tokens=setting.context_tokens or settings.model_context_tokens,
        service=Service(
            address=address,
            key_setting=_variable(key_setting),
            has_key=setting.api_key is not None and bool(setting.api_key.get_secret_value()),
            needs_key=host in _NEEDS_KEY,
        ),
        facts=_facts(KNOWN_MODELS.get(setting.priced_as or name, {}), setting.models),
        is_cap=setting.context_tokens is None,
        priced_as=setting.priced_as,
        cannot=frozenset({JSON_OBJECT} if setting.kind == "anthropic" else {FILE_URL}),
        slots=FairSlots(concurrency, wait_seconds=settings.provider_wait_seconds),
    )


def _facts(known: Mapping[str, ModelFacts], told: Mapping[str, ModelSetting]) -> Mapping[str, ModelFacts]:
    """What the operator tells goes before what is public; models that only are public are listed after those told."""
    merged = {}
    for name, setting in told.items():
        public = known.get(name, ModelFacts())
        merged[name] = ModelFacts(
            context_tokens=setting.context_tokens or public.context_tokens,
            output_limit_tokens=setting.output_limit_tokens or public.output_limit_tokens,
            capabilities=public.capabilities if setting.capabilities is None else setting.capabilities,
        )
    return merged | {name: facts for name, facts in known.items() if name not in merged}


def place_of(url: str) -> tuple[str, str]:
    """The host, and the address without user, password and query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", "an address that cannot be read"
    return host, f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}".rstrip("/")
