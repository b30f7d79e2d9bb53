"""LangChain and the OpenAI Agents SDK, unmodified, and the real small model. Runs in an environment of its own."""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from agents import (
    Agent,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI

url, key = sys.argv[1:]
set_tracing_disabled(True)


@dataclass
class Answer:
    """What the SDK makes a schema of, and reads the answer into."""

    ok: bool


def langchain() -> str:
    chat = ChatOpenAI(model="local", base_url=url, api_key=key, max_retries=0, max_tokens=8)
    return "".join(chunk.text for chunk in chat.stream("Say hello."))


async def agents() -> dict[str, Any]:
    client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
    model = OpenAIResponsesModel(model="local", openai_client=client)
    agent = Agent(name="a", instructions="Answer in JSON.", model=model, output_type=Answer)  # that ends by itself
    session = OpenAIConversationsSession(openai_client=client)
    told = [(await Runner.run(agent, text, session=session)).final_output.ok for text in ("Is water wet?", "Sure?")]
    return {"agents": told, "session": [item["role"] for item in await session.get_items()]}


print(json.dumps({"langchain": langchain(), **asyncio.run(agents())}))
