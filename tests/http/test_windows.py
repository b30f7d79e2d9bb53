"""What the model is shown, over HTTP."""

import httpx2
import pytest

from conversation_engine.testing import ScriptedModel
from tests.http.scenes import MISSING_ID, new_conversation, problem_in


class TestContext:
    async def test_of_a_question_is_what_a_turn_then_sends(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        created = await new_conversation(ada, system_prompt="Be brief.", window={"strategy": "last_messages"})
        assert created["window"] == {"strategy": "last_messages"}
        address = f"/conversations/{created['id']}"
        for number in range(4):
            await ada.post(f"{address}/turns", json={"content": f"Q{number}"})
        preview = (await ada.get(f"{address}/context", params={"query": "Why?"})).json()
        turn = (await ada.post(f"{address}/turns", json={"content": "Why?"})).json()
        shown = [{"role": message.role, "content": message.content} for message in model.requests[-1].messages]
        assert preview["messages"] == shown
        assert len(shown) == 6
        manifest = (await ada.get(f"{address}/turns/{turn['id']}/manifest")).json()
        assert preview["manifest"] == manifest
        assert manifest["strategy"] == "last_messages"

    async def test_of_one_turn_can_be_chosen(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        await ada.post(f"{address}/turns", json={"content": "one"})
        window = {"strategy": "last_messages", "last_messages": 1}
        await ada.post(f"{address}/turns", json={"content": "two", "window": window})
        assert [message.content for message in model.requests[-1].messages] == ["two"]
        changed = await ada.patch(address, json={"window": window})
        assert changed.json()["window"] == window
        assert (await ada.patch(address, json={"window": {}})).json()["window"] is None

    @pytest.mark.parametrize(
        "window", [{"strategy": "all"}, {"last_messages": 0}, {"budget_tokens": 5}, {"unknown": 1}, "auto"]
    )
    async def test_a_wrong_wish_is_refused(self, ada: httpx2.AsyncClient, window: object) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        for response in (
            await ada.post("/conversations", json={"window": window}),
            await ada.post(f"{address}/turns", json={"content": "Q", "window": window}),
        ):
            assert response.status_code == 422

    async def test_of_others_is_nobodys_business(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        assert (await bob.get(f"{address}/context?query=x")).status_code == 403


class TestPins:
    async def test_are_put_and_taken_away(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        message = (await ada.post(f"{address}/messages", json={"role": "user", "content": "I am Ada."})).json()
        assert message["is_pinned"] is False
        pin = f"{address}/messages/{message['id']}/pin"
        for _ in range(2):
            assert (await ada.put(pin)).json()["is_pinned"] is True
        assert (await bob.put(pin)).status_code == 403
        assert (await bob.delete(pin)).status_code == 403
        assert (await ada.delete(pin)).json()["is_pinned"] is False
        missing = await ada.put(f"{address}/messages/{MISSING_ID}/pin")
        assert (missing.status_code, problem_in(missing)["code"]) == (404, "message_not_found")

    async def test_with_a_key_happen_once(self, ada: httpx2.AsyncClient) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        message = (await ada.post(f"{address}/messages", json={"role": "user", "content": "I am Ada."})).json()
        pin = f"{address}/messages/{message['id']}/pin"
        await ada.put(pin, headers={"Idempotency-Key": "k"})
        await ada.delete(pin)
        assert (await ada.put(pin, headers={"Idempotency-Key": "k"})).json()["is_pinned"] is False
