"""Model services and defaults, as the environment names them."""

import pytest
from pydantic import ValidationError

from conversation_engine.domains.llm.settings import ProviderSetting
from conversation_engine.engine.settings import Settings

KEY = "sk-SENTINEL-0123456789abcdef"


class TestDefaultModel:
    @pytest.mark.parametrize(
        ("environment", "model"),
        [
            ({}, "local"),
            ({"PROFILE": "laptop"}, "local"),
            ({"PROFILE": "testing"}, "anthropic/claude-haiku-4-5"),
            ({"PROFILE": "production"}, "anthropic/claude-sonnet-4-5"),
            ({"PROFILE": "production", "PRODUCTION_MODEL": "openai/gpt-5"}, "openai/gpt-5"),
            ({"PROFILE": "production", "MODEL": "local"}, "local"),
            ({"MODEL": "openai/stub"}, "openai/stub"),
        ],
    )
    def test_is_the_profile_s_unless_one_is_named(
        self, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], model: str
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(f"CE_{name}", value)
        assert Settings().default_model == model


class TestProviders:
    def test_one_by_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CE_PROVIDERS__GROQ__BASE_URL", "https://api.groq.com/openai/v1")
        monkeypatch.setenv("CE_PROVIDERS__GROQ__API_KEY", KEY)
        monkeypatch.setenv("CE_PROVIDERS__GROQ__MODELS", '["llama"]')
        monkeypatch.setenv("CE_PROVIDERS__MY_CLAUDE__BASE_URL", "https://claude.test")
        monkeypatch.setenv("CE_PROVIDERS__MY_CLAUDE__KIND", "anthropic")
        providers = Settings().providers
        assert set(providers) == {"groq", "my_claude"}
        assert providers["groq"].api_key is not None
        assert providers["groq"].api_key.get_secret_value() == KEY
        assert list(providers["groq"].models) == ["llama"]
        assert providers["my_claude"].kind == "anthropic"

    def test_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        document = '{"vllm": {"base_url": "http://gpu:8000/v1", "models": {"qwen": {"context_tokens": 32768}}}}'
        monkeypatch.setenv("CE_PROVIDERS", document)
        assert Settings().providers["vllm"].models["qwen"].context_tokens == 32768

    @pytest.mark.parametrize("name", ["local", "Big", "a/b", "", "1st", "x" * 41])
    def test_a_name_has_to_fit_before_a_slash(self, name: str) -> None:
        with pytest.raises(ValidationError):
            Settings(providers={name: ProviderSetting(base_url="http://x")})

    @pytest.mark.parametrize(
        "document",
        [
            f'{{"x": {{"base_url": "http://x", "api_key": "{KEY}", "kind": "soap"}}}}',
            f'{{"x": {{"base_url": "http://x", "apikey": "{KEY}"}}}}',
            f'{{"x": {{"api_key": "{KEY}"}}}}',
        ],
    )
    def test_what_is_wrong_is_named_without_the_key(self, monkeypatch: pytest.MonkeyPatch, document: str) -> None:
        monkeypatch.setenv("CE_PROVIDERS", document)
        with pytest.raises(ValidationError) as refused:
            Settings()
        assert KEY[:12] not in str(refused.value.errors(include_input=False, include_url=False))


class TestFallbackModels:
    @pytest.mark.parametrize("value", ["openai/a, local", '["openai/a", "local"]', "openai/a,local,"])
    def test_with_commas_or_as_json(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("CE_FALLBACK_MODELS", value)
        assert Settings().fallback_models == ["openai/a", "local"]
