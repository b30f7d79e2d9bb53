"""The OpenAI Agents SDK with a function tool: it runs the calls and goes on until the model has an answer."""

import asyncio
import json
import sys
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

url, key = sys.argv[1:]
set_tracing_disabled(True)


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


async def talk() -> dict[str, Any]:
    heard: dict[str, Any] = {}
    client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        agent = Agent(name="a", tools=[weather], model=kind(model="scripted/test", openai_client=client))
        streamed = Runner.run_streamed(agent, "Rain in Oslo?")
        async for _ in streamed.stream_events():
            pass
        whole = await Runner.run(agent, "Rain in Oslo?")
        heard[kind.__name__] = [streamed.final_output, whole.final_output]
    session = OpenAIConversationsSession(openai_client=client)
    heard["session"] = (await Runner.run(agent, "Rain in Oslo?", session=session)).final_output
    heard["items"] = [item.get("type") for item in await session.get_items()]
    conversation = await client.conversations.create()
    stored = await Runner.run(agent, "Rain in Oslo?", conversation_id=conversation.id)
    heard["conversation"] = stored.final_output
    return heard


print(json.dumps(asyncio.run(talk())))
