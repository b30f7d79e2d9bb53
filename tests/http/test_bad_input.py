"""What bad input gets: a clear 4xx, a problem document, and nothing written."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.http.scenes import conversation_of, new_conversation, problem_in

JSON = {"Content-Type": "application/json"}
DEEP = b"[" * 100_000
DIGITS = b"9" * 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A request that must be refused. `{id}` in the path is Ada's conversation."""

    status: int
    code: str
    method: str = "POST"
    path: str = "/conversations/{id}/turns"
    body: Any = None
    """Bytes are sent as they are, everything else as JSON."""
    headers: dict[str, str] | None = None


def turn(body: Any, status: int = 422, code: str = "invalid_request") -> Bad:
    return Bad(body=body, status=status, code=code)


def message(body: Any, status: int = 422, code: str = "invalid_request") -> Bad:
    return Bad(path="/conversations/{id}/messages", body=body, status=status, code=code)


def creation(body: Any, status: int = 422, code: str = "invalid_request") -> Bad:
    return Bad(path="/conversations", body=body, status=status, code=code)


def reading(path: str, code: str = "invalid_request", *, resume_from: str | None = None) -> Bad:
    headers = None if resume_from is None else {"Last-Event-ID": resume_from}
    return Bad(method="GET", path=path, status=422, code=code, headers=headers)


BODIES = {
    "no body": turn(b""),
    "malformed JSON": turn(b'{"content": ', 400, "malformed_json"),
    "invalid UTF-8": turn(b'{"content": "\xff\xfe"}', 400, "malformed_json"),
    "100,000 brackets": turn(DEEP, 400, "malformed_json"),
    "100,000 brackets in the content": turn(b'{"content": ' + DEEP + b"]" * 100_000 + b"}", 400, "malformed_json"),
    "a number of 10,000 digits": turn(b'{"content": "hi", "seed": ' + DIGITS + b"}", 400, "malformed_json"),
    "another content type": Bad(
        status=422, code="invalid_request", body=b'{"content": "hi"}', headers={"Content-Type": "text/plain"}
    ),
    "a form": Bad(
        status=422,
        code="invalid_request",
        body=b"content=hi",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "a list": turn([]),
    "null": turn(b"null"),
    "an unknown field": turn({"content": "hi", "contents": "hi"}),
    "an unknown field that is half a character": turn(b'{"content": "hi", "\\ud800": 1}'),
    "an unknown field of 100,000 characters": turn({"content": "hi", "x" * 100_000: 1}),
    "no content": turn({}),
    "content null": turn({"content": None}),
    "content a number": turn({"content": 1}),
    "content true": turn({"content": True}),
    "content empty": turn({"content": ""}, code="invalid_text"),
    "content blank": turn({"content": " \n\t\u3000"}, code="invalid_text"),
    "content with NUL": turn({"content": "a\x00b"}, code="invalid_text"),
    "content with half a character": turn(b'{"content": "a\\ud800b"}', code="invalid_text"),
    "content of 200,001 characters": turn({"content": "a" * 200_001}, code="invalid_text"),
    "an empty document": turn({"content": {}}, code="invalid_input"),
    "a document with NUL": turn({"content": {"a": ["\x00"]}}, code="invalid_input"),
    "a document with NUL in a key": turn({"content": {"\x00": 1}}, code="invalid_input"),
    "a document with half a character": turn(b'{"content": {"a": "\\udfff"}}', code="invalid_input"),
    "a document with NaN": turn(b'{"content": {"a": NaN}}', code="invalid_input"),
    "a document with Infinity": turn(b'{"content": [-Infinity]}', code="invalid_input"),
    "a document with a number beyond all": turn(b'{"content": [1e999]}', code="invalid_input"),
    "metadata a list": turn({"content": "hi", "message_metadata": []}),
    "metadata with NUL": turn({"content": "hi", "message_metadata": {"a": "\x00"}}, code="invalid_input"),
    "metadata with NaN": turn(b'{"content": "hi", "message_metadata": {"a": NaN}}', code="invalid_input"),
    "metadata of 70,000 characters": turn(
        {"content": "hi", "message_metadata": {"a": "b" * 70_000}}, code="invalid_input"
    ),
    "a temperature of NaN": turn(b'{"content": "hi", "temperature": NaN}'),
    "a temperature of Infinity": turn(b'{"content": "hi", "temperature": Infinity}'),
    "a temperature of 3": turn({"content": "hi", "temperature": 3}),
    "a negative limit": turn({"content": "hi", "max_tokens": -1}),
    "a seed beyond 31 bits": turn({"content": "hi", "seed": 2**31}),
    "an unknown model": turn({"content": "hi", "model": "gpt-17"}, 422, "unknown_model"),
    "a model with NUL": turn({"content": "hi", "model": "scripted/a\x00"}, code="invalid_text"),
    "a model of 10,000 characters": turn({"content": "hi", "model": "scripted/" + "a" * 10_000}, code="invalid_text"),
    "a model that is half a character": turn(b'{"content": "hi", "model": "\\ud800"}', code="invalid_text"),
    "a stop with NUL": turn({"content": "hi", "stop": ["\x00"]}, code="invalid_text"),
    "five stops": turn({"content": "hi", "stop": ["a"] * 5}),
    "a message of nobody": message({"content": "hi"}),
    "an unknown role": message({"role": "tool", "content": "hi"}),
    "a blank message": message({"role": "user", "content": "  "}, code="invalid_text"),
    "a message of a system, blank": message({"role": "system", "content": ""}, code="invalid_text"),
    "a title of 10,000 characters": creation({"title": "t" * 10_000}, code="invalid_text"),
    "a blank title": creation({"title": " "}, code="invalid_text"),
    "a title with NUL": creation({"title": "\x00"}, code="invalid_text"),
    "a type of 51 characters": creation({"conversation_type": "t" * 51}, code="invalid_text"),
    "a prompt with NUL": creation({"system_prompt": "a\x00"}, code="invalid_text"),
    "an owner of one's choice": creation({"user_id": "bob"}),
    "metadata that is a text": creation({"metadata": "a"}),
    "a new title of 10,000 characters": Bad(
        method="PUT", path=f"/conversations/{{id}}/title?title={'t' * 10_000}", status=422, code="invalid_text"
    ),
    "a new title with NUL": Bad(
        method="PUT", path="/conversations/{id}/title?title=%00", status=422, code="invalid_text"
    ),
    "no new title": Bad(method="PUT", path="/conversations/{id}/title", status=422, code="invalid_input"),
    "an unknown status": Bad(
        method="PATCH", path="/conversations/{id}", body={"status": "deleted"}, status=422, code="invalid_request"
    ),
}
BIG_NUMBER_CURSOR = "WzAsOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"  # [0,99999999999999999999999999]
READINGS = {
    "a limit of 0": reading("/conversations?limit=0"),
    "a negative limit": reading("/conversations?limit=-1"),
    "a limit of 201": reading("/conversations?limit=201"),
    "a limit of 10,000 digits": reading(f"/conversations?limit={'9' * 10_000}"),
    "a limit in words": reading("/conversations?limit=ten"),
    "an unknown status": reading("/conversations?status=gone"),
    "a type with NUL": reading("/conversations?conversation_type=%00", code="invalid_text"),
    "garbage for a cursor": reading("/conversations?cursor=garbage", code="invalid_cursor"),
    "an empty cursor": reading("/conversations?cursor=", code="invalid_cursor"),
    "a cursor that is not ASCII": reading("/conversations?cursor=%C3%A9", code="invalid_cursor"),
    "a cursor of 10,000 characters": reading(f"/conversations?cursor={'A' * 10_000}"),
    "a cursor of brackets": reading("/conversations?cursor=" + "W1tb" * 70, code="invalid_cursor"),
    "a cursor of another listing": reading("/conversations?cursor=WzAsMV0", code="invalid_cursor"),  # [0,1]
    "a cursor that is no id": reading("/conversations?cursor=WzAsIngiXQ", code="invalid_cursor"),  # [0,"x"]
    "a cursor with NUL": reading("/conversations?cursor=WzAsIlx1MDAwMCJd", code="invalid_cursor"),  # [0,"\u0000"]
    "a message cursor beyond all": reading(
        f"/conversations/{{id}}/messages?cursor={BIG_NUMBER_CURSOR}", code="invalid_cursor"
    ),
    "an unknown model to preview": reading("/conversations/{id}/context?model=gpt-17", code="unknown_model"),
    "a model with NUL to preview": reading("/conversations/{id}/context?model=%00", code="invalid_text"),
    "garbage to resume from": reading("{turn}/events", resume_from="garbage"),
    "a negative offset to resume from": reading("{turn}/events", resume_from="-1"),
    "10,000 digits to resume from": reading("{turn}/events", resume_from="9" * 10_000),
    "a negative offset": reading("{turn}/events?after=-1"),
    "a malformed turn": reading("/conversations/{id}/turns/x", code="invalid_id"),
}


async def refused(client: httpx2.AsyncClient, bad: Bad, **places: str) -> httpx2.Response:
    headers = JSON | (bad.headers or {}) if bad.body is not None else bad.headers
    content, document = (bad.body, None) if isinstance(bad.body, bytes) else (None, bad.body)
    if document is not None:
        return await client.request(bad.method, bad.path.format(**places), json=document, headers=bad.headers)
    return await client.request(bad.method, bad.path.format(**places), content=content, headers=headers)


async def test_bad_input_gets_a_clear_4xx_and_writes_nothing(
    ada: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    conversation = await new_conversation(ada, title="Untouched")
    taken = (await ada.post(f"/conversations/{conversation['id']}/turns", json={"content": "Hello"})).json()
    places = {"id": conversation["id"], "turn": f"/conversations/{conversation['id']}/turns/{taken['id']}"}
    for name, bad in (BODIES | READINGS).items():
        with subtests.test(name):
            before = await conversation_of(ada, conversation["id"])
            response = await refused(ada, bad, **places)
            assert response.status_code == bad.status, response.text[:300]
            assert problem_in(response)["code"] == bad.code
            assert len(response.content) < 3000, "the input is not sent back"
            assert await conversation_of(ada, conversation["id"]) == before
            assert len((await ada.get("/conversations")).json()["items"]) == 1


async def test_what_is_odd_but_valid_is_taken(ada: httpx2.AsyncClient) -> None:
    path = f"/conversations/{(await new_conversation(ada))['id']}"
    twice = await ada.post(
        f"{path}/messages", content=b'{"role": "user", "content": "a", "content": "b"}', headers=JSON
    )
    assert (twice.status_code, twice.json()["content"]) == (201, "b")  # RFC 8259 leaves it open; the last one counts
    huge = {"n": 10**400, "text": "\\u0000 in writing", "line": "\u2028\r\n"}
    kept = await ada.post(f"{path}/messages", json={"role": "user", "content": "c", "message_metadata": huge})
    assert (kept.status_code, kept.json()["metadata"]) == (201, huge)
    document = {"role": "user", "content": {"b": 1, "a": [None, True, 0.1]}}
    assert (await ada.post(f"{path}/messages", json=document)).json()["content"] == document["content"]
    longest = await ada.post("/conversations", json={"title": "🌍" * 500})
    assert longest.status_code == 201
    assert (await ada.get(path)).json()["message_count"] == 3
