"""The local model behind the provider port."""

import contextlib
from collections.abc import AsyncGenerator

from conversation_engine.domains.llm.errors import ModelUnreachableError
from conversation_engine.domains.llm.providers.local.errors import LocalModelUnavailableError
from conversation_engine.domains.llm.providers.local.supervisor import LocalModelServer
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest
from conversation_engine.domains.llm.wire import ServiceClient

MODEL_NAME = "smollm2-135m-instruct"


class LocalProvider:
    """Starts the child on the first call and speaks the OpenAI dialect to it."""

    name = "local"
    model_name = MODEL_NAME

    def __init__(self, client: ServiceClient, *, slots: int, threads: int) -> None:
        self._client = client
        self._server = LocalModelServer(slots=slots, threads=threads)

    @property
    def context_tokens(self) -> int:
        """What one conversation can hold: the slots share the context."""
        return self._server.context_tokens_per_request

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        try:
            endpoint = await self._server.endpoint()
        except LocalModelUnavailableError as error:
            raise ModelUnreachableError(str(error)) from error
        dialect = OpenAIChatProvider(self._client, name=self.name, base_url=endpoint.base_url, api_key=endpoint.api_key)
        async with contextlib.aclosing(dialect.stream(request)) as events:
            async for event in events:
                yield event

    async def warm_up(self) -> None:
        """Load the model now rather than at the first call."""
        with contextlib.suppress(LocalModelUnavailableError):
            await self._server.endpoint()

    async def aclose(self) -> None:
        await self._server.aclose()
        await self._client.aclose()
