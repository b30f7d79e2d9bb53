"""The OpenAI Agents SDK, unmodified, with our conversations as its sessions. Runs in an environment of its own."""

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
    set_tracing_disabled,
)
from openai import AsyncOpenAI

url, key = sys.argv[1:]
set_tracing_disabled(True)


async def talk() -> dict[str, Any]:
    heard: dict[str, Any] = {}
    client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        agent = Agent(name="a", instructions="Be brief.", model=kind(model="scripted/test", openai_client=client))
        streamed = Runner.run_streamed(agent, "Streamed")
        async for _ in streamed.stream_events():
            pass
        heard[kind.__name__] = [(await Runner.run(agent, "Hello")).final_output, streamed.final_output]
    session = OpenAIConversationsSession(openai_client=client)
    for question in ("One", "Two"):
        await Runner.run(agent, question, session=session)
    heard["session"] = [item["role"] for item in await session.get_items()]
    await session.pop_item()
    heard["popped"] = len(await session.get_items())
    conversation = await client.conversations.create()
    first = await Runner.run(agent, "Three", conversation_id=conversation.id)
    second = await Runner.run(agent, "Four", previous_response_id=first.last_response_id)
    heard["follows"] = [first.final_output, second.final_output]
    return heard


print(json.dumps(asyncio.run(talk())))
