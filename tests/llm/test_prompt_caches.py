"""What providers are told so that their prompt caches keep hitting."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.providers.anthropic_messages import CACHE, AnthropicProvider
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.types import LLMMessage, ModelRequest, Sampling
from conversation_engine.domains.llm.wire import ServiceClient
from tests.llm.stub import OPEN_STREAM, StubService, anthropic_events, openai_events, running_stub


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


async def asked(provider: ModelProvider, request: ModelRequest) -> None:
    async with aclosing(provider), aclosing(provider.stream(request)) as events:
        async for _ in events:
            pass


def told(*messages: tuple[str, str], stable: int) -> ModelRequest:
    shown = [LLMMessage(role, text) for role, text in messages]  # type: ignore[arg-type]
    return ModelRequest(model="m", messages=shown, sampling=Sampling(), stable_messages=stable, cache_key="talk-7")


class TestAnthropic:
    async def body(self, stub: StubService, request: ModelRequest) -> dict[str, object]:
        stub.plan = [OPEN_STREAM, *anthropic_events("hi")]
        provider = AnthropicProvider(ServiceClient(LlmSettings()), base_url=stub.base_url, api_key="key")
        await asked(provider, request)
        return stub.requests[0]

    async def test_marks_the_prompt_and_the_last_message_that_stays(self, stub: StubService) -> None:
        request = told(
            ("system", "S"), ("user", "one"), ("assistant", "two"), ("user", "note"), ("user", "q"), stable=3
        )
        body = await self.body(stub, request)
        assert body["system"] == [{"type": "text", "text": "S", "cache_control": CACHE}]
        assert body["messages"] == [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": [{"type": "text", "text": "two", "cache_control": CACHE}]},
            {"role": "user", "content": "note\n\nq"},
        ]

    async def test_splits_a_message_that_stays_only_in_part(self, stub: StubService) -> None:
        body = await self.body(stub, told(("user", "summary"), ("user", "q"), stable=1))
        assert body["messages"] == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "summary", "cache_control": CACHE},
                    {"type": "text", "text": "q"},
                ],
            }
        ]

    async def test_marks_no_message_where_only_the_prompt_stays(self, stub: StubService) -> None:
        body = await self.body(stub, told(("system", "S"), ("user", "q"), stable=1))
        assert body["messages"] == [{"role": "user", "content": "q"}]


class TestOpenAI:
    @pytest.mark.parametrize(("path", "key"), [("/api.openai.com/v1", "talk-7"), ("/v1", None)])
    async def test_is_given_the_key_of_the_conversation_and_others_are_not(
        self, stub: StubService, path: str, key: str | None
    ) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("hi")]
        client = ServiceClient(LlmSettings())
        provider = OpenAIChatProvider(client, name="openai", base_url=stub.base_url + path, api_key="key")
        await asked(provider, told(("user", "q"), stable=0))
        assert stub.requests[0].get("prompt_cache_key") == key
