"""The `Idempotency-Key` header."""

from typing import Any

import httpx2
import pytest

from tests.http.scenes import EVENT_STREAM, events_in, new_conversation, text_of


async def streamed(client: httpx2.AsyncClient, path: str, body: Any, **headers: str) -> list[Any]:
    async with client.stream("POST", path, json=body, headers={**EVENT_STREAM, **headers}) as response:
        assert response.status_code == 200
        return [event async for event in events_in(response)]


class TestTurns:
    async def test_a_repetition_is_the_same_stream_from_its_beginning_or_from_where_it_was_left(
        self, ada: httpx2.AsyncClient
    ) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        first = await streamed(ada, path, {"content": "hi"}, **{"Idempotency-Key": '"k-1"'})
        again = await streamed(ada, path + "/", {"content": "hi"}, **{"Idempotency-Key": "k-1"})
        assert again[0].data["id"] == first[0].data["id"]
        assert text_of(again) == text_of(first) != ""
        assert (again[-1].name, again[-1].data) == (first[-1].name, first[-1].data)
        rest = await streamed(ada, path, {"content": "hi"}, **{"Idempotency-Key": "k-1", "Last-Event-ID": "2"})
        assert text_of(rest) == text_of(first)[2:]

    async def test_another_body_is_refused(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        key = {"Idempotency-Key": "k-2"}
        assert (await ada.post(path, json={"content": "one"}, headers=key)).status_code == 201
        refused = await ada.post(path, json={"content": "two"}, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")

    @pytest.mark.parametrize("key", ["", '""', "x" * 256])
    async def test_what_is_no_key_is_refused(self, ada: httpx2.AsyncClient, key: str) -> None:
        refused = await ada.post("/conversations/", json={}, headers={"Idempotency-Key": key})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


class TestOtherVerbs:
    async def test_a_conversation_is_made_once_however_its_body_is_spaced(self, ada: httpx2.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k-3", "Content-Type": "application/json"}
        bodies = ('{"title": "a", "metadata": {}}', '{"metadata":{},"title":"a"}')
        made = [(await ada.post("/conversations", content=body, headers=headers)).json() for body in bodies]
        assert made[0]["id"] == made[1]["id"]

    async def test_deleting_twice_is_no_error(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}"
        codes = [(await ada.delete(path, headers={"Idempotency-Key": "k-4"})).status_code for _ in range(2)]
        assert codes == [204, 204]

    async def test_a_message_is_removed_once(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/messages"
        added = (await ada.post(path, json={"role": "user", "content": "hi"})).json()
        key = {"Idempotency-Key": "k-5"}
        removed = [(await ada.delete(f"{path}/{added['id']}", headers=key)).json() for _ in range(2)]
        assert removed == [{"removed": 1}, {"removed": 0}]
