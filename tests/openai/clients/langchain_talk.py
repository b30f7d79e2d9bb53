"""LangChain's ChatOpenAI, unmodified: does everything once and prints what it heard. In an environment of its own."""

import asyncio
import json
import sys
from typing import Any

from langchain_openai import ChatOpenAI

url, key = sys.argv[1:]
HEARD: dict[str, Any] = {}


def chat(**options: Any) -> ChatOpenAI:
    return ChatOpenAI(model="scripted/test", base_url=url, api_key=key, max_retries=0, **options)


async def stream() -> str:
    return "".join([chunk.text async for chunk in chat().astream([("system", "Be brief."), ("human", "Streamed")])])


answer = chat().invoke("Hello")
HEARD["chat"] = [answer.text, answer.usage_metadata["total_tokens"]]
HEARD["stream"] = asyncio.run(stream())
responses = chat(use_responses_api=True)
first = responses.invoke("One")
HEARD["response"] = first.text
HEARD["response_stream"] = "".join(chunk.text for chunk in responses.stream("Two"))
HEARD["follows"] = responses.invoke("Three", previous_response_id=first.response_metadata["id"]).text
print(json.dumps(HEARD))
