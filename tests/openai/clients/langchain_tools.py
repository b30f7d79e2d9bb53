"""LangChain's ChatOpenAI with a tool bound to it: over chat and responses, streamed and not."""

import asyncio
import json
import sys
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

url, key = sys.argv[1:]


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


async def streamed(model: Any) -> Any:
    whole = None
    async for chunk in model.astream("Rain in Oslo?"):
        whole = chunk if whole is None else whole + chunk
    return whole


async def talk() -> dict[str, Any]:
    heard: dict[str, Any] = {}
    for name, options in (("chat", {}), ("responses", {"use_responses_api": True})):
        chat = ChatOpenAI(model="scripted/test", base_url=url, api_key=key, max_retries=0, **options)
        model = chat.bind_tools([weather], tool_choice="any")
        called = (await streamed(model)).tool_calls
        said: list[Any] = [HumanMessage("Rain in Oslo?"), await model.ainvoke("Rain in Oslo?")]
        for call in said[-1].tool_calls:
            said.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))
        heard[name] = [[call["args"] for call in called], len(said), (await model.ainvoke(said)).text]
    return heard


print(json.dumps(asyncio.run(talk())))
