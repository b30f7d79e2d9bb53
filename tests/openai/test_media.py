"""Images and files as input items, and models that are known not to take them, or a form, or tools."""

from typing import Any

import httpx2
import openai
import pytest

from conversation_engine.domains.llm.parts import IMAGE_TOKENS, File, Image, Parts, Text
from conversation_engine.testing import ScriptedModel

MODEL = "scripted/test"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
SEEN = Parts((Text("What is it?"), Image(url=PIXEL, detail="low"), File(name="a.pdf", url=PDF)))
IN_CHAT: Any = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
]
IN_RESPONSE: Any = [
    {"type": "input_text", "text": "What is it?"},
    {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
]
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = [{"type": "function", "name": "f", "parameters": SCHEMA}]


class TestPassedOn:
    async def test_in_a_chat(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        await sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": IN_CHAT}])
        assert model.requests[0].messages[0].content == SEEN

    async def test_in_a_response_and_again_in_the_next(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        said: Any = [{"role": "user", "content": IN_RESPONSE}]
        first = await sdk.responses.create(model=MODEL, input=said)
        await sdk.responses.create(model=MODEL, input="Sure?", previous_response_id=first.id)
        assert model.requests[1].messages[0].content == SEEN
        [item] = (await sdk.responses.input_items.list(first.id)).data
        assert [part.type for part in item.content] == ["input_text", "input_image", "input_file"]  # type: ignore[union-attr]
        assert item.content[1].image_url == PIXEL  # type: ignore[union-attr]

    async def test_they_are_counted(self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        parts: Any = [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": PIXEL}]
        said: Any = [{"role": "user", "content": parts}]
        plain = await sdk.responses.input_tokens.count(model=MODEL, input="?")
        seen = await sdk.responses.input_tokens.count(model=MODEL, input=said)
        assert 0 <= seen.input_tokens - plain.input_tokens - IMAGE_TOKENS < 10
        first = await sdk.responses.create(model=MODEL, input=said)
        again = await sdk.responses.input_tokens.count(model=MODEL, input="?", previous_response_id=first.id)
        assert again.input_tokens > IMAGE_TOKENS

    async def test_they_are_kept_exported_and_noted(self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        conversation = await sdk.conversations.create()
        said: Any = [{"role": "user", "content": IN_RESPONSE}]
        await sdk.responses.create(model=MODEL, input=said, conversation=conversation.id)
        key = conversation.id.removeprefix("conv_")
        exported = (await http.get(f"/conversations/{key}/export")).json()
        assert SEEN.as_json() in [message["content"] for message in exported["conversations"][0]["messages"]]
        page = (await http.get(f"/conversations/{key}/export", params={"format": "markdown"})).text
        assert "[image]" in page
        assert "[file a.pdf]" in page
        assert PIXEL not in page

    async def test_too_large_is_refused(self, sdk: openai.AsyncOpenAI) -> None:
        conversation = await sdk.conversations.create()
        parts: Any = [{"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_100_000}]
        with pytest.raises(openai.APIStatusError) as refused:
            await sdk.responses.create(
                model=MODEL, input=[{"role": "user", "content": parts}], conversation=conversation.id
            )
        assert refused.value.status_code == 413

    @pytest.mark.parametrize(
        ("part", "param"),
        [
            ({"type": "input_image", "file_id": "file-1"}, "file_id"),
            ({"type": "input_image", "image_url": "ftp://x/y.png"}, "image_url"),
            ({"type": "input_image", "image_url": PDF}, "image_url"),
            ({"type": "input_image", "image_url": PIXEL, "detail": "utmost"}, "detail"),
            ({"type": "input_file", "filename": "a.pdf"}, "file_data"),
            ({"type": "input_audio", "input_audio": {}}, "type"),
        ],
    )
    async def test_what_cannot_be_passed_on_is_refused_by_name(
        self, http: httpx2.AsyncClient, part: dict[str, Any], param: str
    ) -> None:
        answer = await http.post("/v1/responses", json={"model": MODEL, "input": [{"role": "user", "content": [part]}]})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"input[0].content[0].{param}")


class TestModelCannot:
    """The small model on board is known to take schemas, and nothing else beside text."""

    @pytest.mark.parametrize("is_stored", [False, True])
    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"tools": TOOLS}, "tools"),
            ({"input": [{"role": "user", "content": IN_RESPONSE}]}, "input[0].content[1]"),
            ({"input": [{"role": "user", "content": IN_RESPONSE[::2]}]}, "input[0].content[1]"),
        ],
    )
    async def test_the_field_and_the_model_are_named(
        self, http: httpx2.AsyncClient, fields: dict[str, Any], param: str, is_stored: bool
    ) -> None:
        body = {"model": "local", "input": "Hello", "store": is_stored} | fields
        answer = await http.post("/v1/responses", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "model_cannot", param)
        assert "local" in error["message"]
        assert param in error["message"]

    async def test_chats_name_their_own_fields(self, http: httpx2.AsyncClient) -> None:
        body = {"model": "local", "messages": [{"role": "user", "content": IN_CHAT}]}
        answer = await http.post("/v1/chat/completions", json=body)
        assert answer.json()["error"]["param"] == "messages[0].content[1]"

    @pytest.mark.parametrize(
        ("path", "body", "param"),
        [
            (
                "chat/completions",
                {"messages": [{"role": "user", "content": "?"}], "response_format": {"type": "json_object"}},
                "response_format",
            ),
            ("responses", {"input": "?", "text": {"format": {"type": "json_object"}}}, "text.format"),
        ],
    )
    async def test_a_form_that_a_protocol_has_no_words_for(
        self, http: httpx2.AsyncClient, path: str, body: dict[str, Any], param: str
    ) -> None:
        answer = await http.post(f"/v1/{path}", json={"model": "anthropic/claude-haiku-4-5", **body})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
