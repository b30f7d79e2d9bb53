"""Does a model answer, and if not, what precisely is wrong."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from conversation_engine.domains.llm.errors import OverloadedError, UnknownModelError
from conversation_engine.domains.llm.known_models import KNOWN_MODELS
from conversation_engine.domains.llm.pricing import list_price_of
from conversation_engine.domains.llm.providers.local import LocalModelServer
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.settings import ProviderSetting
from conversation_engine.domains.llm.types import ModelCheck
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog, make_llm
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from tests.llm.stub import (
    OPEN_STREAM,
    SILENCE,
    StubService,
    anthropic_events,
    openai_events,
    refusal,
    running_stub,
)

KEY = "sk-SENTINEL-0123456789abcdef"
Door = Callable[..., LlmService]


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """The door to models with one provider `x` as told; everything is closed after the test."""
    catalogs = []

    def open_one(base_url: str, *, key: str | None = KEY, **changes: Any) -> LlmService:
        secret = None if key is None else SecretStr(key)
        general = {name: changes.pop(name) for name in list(changes) if name in Settings.model_fields}
        setting = ProviderSetting(base_url=base_url, api_key=secret, **changes)
        settings = Settings(providers={"x": setting}, connect_timeout_seconds=1, **general)
        catalogs.append(make_catalog(settings, {}))
        return make_llm(settings, catalogs[-1], SystemClock())

    yield open_one
    for catalog in catalogs:
        await catalog.aclose()


async def checked(llm: LlmService, name: str) -> ModelCheck:
    return await llm.check(llm.check_call(name, owner_id=UserId("root")))


def assert_no_key_in(check: ModelCheck) -> None:
    assert KEY[:12] not in f"{check}"


class TestVerdict:
    @pytest.mark.parametrize("kind", ["openai", "anthropic"])
    async def test_well(self, stub: StubService, door: Door, kind: str) -> None:
        events = openai_events if kind == "openai" else anthropic_events
        stub.plan = [OPEN_STREAM, *events("OK")]
        check = await checked(door(stub.base_url, kind=kind), "x/org/model:latest")
        assert (check.verdict, check.is_ok, check.model) == ("ok", True, "x/org/model:latest")
        assert stub.requests[0]["model"] == "org/model:latest"
        assert stub.requests[0]["max_tokens"] == 16

    @pytest.mark.parametrize("kind", ["openai", "anthropic"])
    @pytest.mark.parametrize(
        ("status", "body", "key", "verdict", "told"),
        [
            (401, b"{}", None, "no_key", "CE_PROVIDERS__X__API_KEY"),
            (401, KEY.encode(), KEY, "wrong_key", "CE_PROVIDERS__X__API_KEY"),
            (403, b"{}", KEY, "no_permission", "'m'"),
            (402, b"{}", KEY, "no_permission", "money"),
            (404, b'{"error": {"message": "The model `m` does not exist"}}', KEY, "no_such_model", "'m'"),
            (404, b'{"error": {"message": "model: m"}}', KEY, "no_such_model", "'m'"),
            (404, b"<html>nginx: Not Found</html>", KEY, "no_such_address", "base URL"),
            (404, b'{"detail":"Not Found"}', KEY, "no_such_address", "base URL"),
            (429, b"{}", KEY, "model_rate_limited", "429"),
            (503, b"{}", KEY, "model_overloaded", "503"),
            (400, b'{"error": "no such parameter"}', KEY, "model_bad_request", "parameter"),
        ],
    )
    async def test_of_a_refusal(
        self,
        stub: StubService,
        door: Door,
        *,
        kind: str,
        status: int,
        body: bytes,
        key: str | None,
        verdict: str,
        told: str,
    ) -> None:
        stub.plan = refusal(status, body)
        check = await checked(door(stub.base_url, key=key, kind=kind), "x/m")
        assert check.verdict == verdict
        assert told in check.sentence
        assert_no_key_in(check)

    @pytest.mark.parametrize(
        ("url", "told"),
        [("http://127.0.0.1:9", "Connect call failed"), ("http://nobody.invalid", "nobody.invalid"), ("nonsense", "")],
    )
    async def test_where_nobody_is(self, door: Door, url: str, told: str) -> None:
        check = await checked(door(url), "x/m")
        assert (check.verdict, check.is_ok) == ("unreachable", False)
        assert told in check.sentence

    async def test_of_one_that_hangs(self, stub: StubService, door: Door) -> None:
        stub.plan = [OPEN_STREAM, SILENCE]
        check = await checked(door(stub.base_url, first_token_timeout_seconds=0.05), "x/m")
        assert check.verdict == "timeout"
        await stub.closed.wait()

    async def test_a_service_that_wants_a_key_is_not_asked_without_one(self, door: Door) -> None:
        check = await checked(door("http://127.0.0.1:9"), "anthropic/claude-haiku-4-5")
        assert (check.verdict, "CE_ANTHROPIC_API_KEY" in check.sentence) == ("no_key", True)

    async def test_a_name_that_nobody_configured_is_refused(self, door: Door) -> None:
        with pytest.raises(UnknownModelError):
            await checked(door("http://127.0.0.1:9"), "nobody/m")

    async def test_an_address_tells_no_password(self, door: Door) -> None:
        check = await checked(door(f"http://user:{KEY}@127.0.0.1:9/v1?token={KEY}"), "x/m")
        assert check.verdict == "unreachable"
        assert_no_key_in(check)


class TestEndpoint:
    async def test_azure_wants_its_key_and_its_version_elsewhere(self, stub: StubService, door: Door) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("OK")]
        llm = door(
            stub.base_url + "/openai/deployments/d",
            key_header="api-key",
            query={"api-version": "2024-10-21"},
            reply_limit_field="max_completion_tokens",
            headers={"x-project": SecretStr("blue")},
        )
        assert (await checked(llm, "x/m")).is_ok
        head = stub.headers[0]
        assert head.startswith("post /openai/deployments/d/chat/completions?api-version=2024-10-21 http/1.1")
        assert f"api-key: {KEY}".lower() in head
        assert "authorization" not in head
        assert "x-project: blue" in head
        assert stub.requests[0]["max_completion_tokens"] == 16

    async def test_many_stand_side_by_side_and_each_gets_its_own_key(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("OK")]
        names = ("one", "two", "three")
        providers = {
            name: ProviderSetting(base_url=f"{stub.base_url}/{name}", api_key=SecretStr(f"key-of-{name}"))
            for name in names
        }
        settings = Settings(providers=providers)
        catalog = make_catalog(settings, {})
        llm = make_llm(settings, catalog, SystemClock())
        for name in names:
            assert (await checked(llm, f"{name}/m")).is_ok
        for name, head in zip(names, stub.headers, strict=True):
            assert head.startswith(f"post /{name}/chat/completions ")
            assert f"key-of-{name}" in head
        await catalog.aclose()


class TestListing:
    async def test_says_what_is_known_of_each_and_which_can_be_asked(self, door: Door) -> None:
        llm = door(
            "http://127.0.0.1:9",
            models={
                "big": {"context_tokens": 9000, "output_limit_tokens": 500, "capabilities": ["tools"]},
                "plain": {},
            },
            context_tokens=4096,
            anthropic_api_key=SecretStr(KEY),
            fallback_models=["x/plain"],
            model_context_tokens=100_000,
        )
        listed = {listing.card.name: listing for listing in await llm.models()}
        assert listed["local"].is_default
        assert (listed["x/big"].context_tokens, listed["x/big"].card.context_tokens) == (9000, 9000)
        assert (listed["x/big"].card.output_limit_tokens, listed["x/big"].capabilities) == (500, ["tools"])
        assert (listed["x/plain"].context_tokens, listed["x/plain"].card.context_tokens) == (None, 4096)
        assert (listed["x/plain"].price, listed["x/plain"].capabilities) == (None, None)
        assert (listed["x/plain"].fallback_rank, listed["x/big"].fallback_rank) == (1, None)
        claude = listed["anthropic/claude-haiku-4-5"]
        assert (claude.context_tokens, claude.card.context_tokens) == (200_000, 100_000)
        assert (claude.unusable, listed["openai/gpt-4o"].unusable) == (None, "no_key")
        assert claude.price is not None
        assert claude.price.input is not None

    async def test_a_model_that_is_left_alone_is_not_usable(self, door: Door) -> None:
        llm = door("http://127.0.0.1:9", models=["m"])
        card = llm.card("x/m")
        for _ in range(5):
            llm._circuits.leave(card, OverloadedError())
        [listing] = [listing for listing in await llm.models() if listing.card.name == "x/m"]
        assert listing.unusable == "circuit_open"

    def test_every_known_model_has_a_price(self) -> None:
        settings = Settings()
        catalog = make_catalog(settings, {})
        for provider, models in KNOWN_MODELS.items():
            for name in models:
                assert list_price_of(catalog.card(f"{provider}/{name}"), SystemClock().now()) is not None, name


@pytest.mark.local_model
class TestRealServer:
    @pytest.mark.parametrize("kind", ["openai", "anthropic"])
    async def test_llama_cpp_in_both_protocols(self, door: Door, kind: str) -> None:
        server = LocalModelServer(context_tokens=2048, slots=1)
        try:
            endpoint = await server.endpoint()
            root = endpoint.base_url.removesuffix("/v1")
            url = endpoint.base_url if kind == "openai" else root
            assert (await checked(door(url, key=endpoint.api_key, kind=kind), "x/smol")).is_ok
            assert (await checked(door(url, key=KEY, kind=kind), "x/smol")).verdict == "wrong_key"
            assert (await checked(door(url, key=None, kind=kind), "x/smol")).verdict == "no_key"
            wrong = await checked(door(f"{root}/nowhere", key=endpoint.api_key, kind=kind), "x/smol")
            assert wrong.verdict == "no_such_address"
        finally:
            await server.aclose()
