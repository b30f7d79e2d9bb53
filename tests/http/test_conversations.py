"""`/conversations`: what each route does when all is well."""

import uuid

import httpx2
import pytest

from tests.http.scenes import conversation_of, new_conversation


@pytest.mark.parametrize("slash", ["", "/"])
class TestWithAndWithoutATrailingSlash:
    """Clients that follow a redirect drop the body, the token or both: nothing is redirected."""

    async def test_a_conversation_lives_its_whole_life(self, ada: httpx2.AsyncClient, slash: str) -> None:
        created = await ada.post(f"/conversations{slash}", json={"title": "Tides", "conversation_type": "rag_query"})
        assert created.status_code == 201
        path = f"/conversations/{created.json()['id']}"

        listed = await ada.get(f"/conversations{slash}?conversation_type=rag_query&limit=50")
        message = await ada.post(f"{path}/messages{slash}", json={"role": "user", "content": "When is high water?"})
        renamed = await ada.put(f"{path}/title{slash}?title=New%20Title")
        renamed_by_body = await ada.put(f"{path}/title{slash}", json={"title": "Newer Title"})
        messages = await ada.get(f"{path}/messages{slash}")
        shown = await ada.get(f"{path}{slash}")
        preview = await ada.get(f"{path}/context{slash}")
        ended = await ada.post(f"{path}/end{slash}")
        deleted = await ada.delete(f"{path}{slash}")

        assert [item["title"] for item in listed.json()["items"]] == ["Tides"]
        assert (message.status_code, message.json()["sequence_number"]) == (201, 1)
        assert renamed.json()["title"] == "New Title"
        assert renamed_by_body.json()["title"] == "Newer Title"
        assert [item["content"] for item in messages.json()["items"]] == ["When is high water?"]
        assert shown.json()["messages"] == messages.json()["items"]
        assert preview.json()["messages"] == [{"role": "user", "content": "When is high water?"}]
        assert ended.json()["status"] == "completed"
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert (await ada.get(path)).status_code == 404

    async def test_a_turn_is_taken_and_read_back(self, ada: httpx2.AsyncClient, slash: str) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        taken = await ada.post(f"{path}{slash}", json={"content": "Ahoy"})
        turn = f"{path}/{taken.json()['id']}"
        assert taken.status_code == 201
        assert taken.headers["location"] == turn
        assert (await ada.get(f"{turn}{slash}")).json() == taken.json()
        assert (await ada.post(f"{turn}/cancel{slash}")).json() == taken.json()
        assert (await ada.get(f"{turn}/manifest{slash}")).json()["sent"]["count"] == 1
        assert (await ada.get(f"{turn}/events{slash}")).text.startswith("id: 0\nevent: turn.started\n")


class TestCreate:
    async def test_what_is_not_said_has_a_default(self, ada: httpx2.AsyncClient) -> None:
        created = await new_conversation(ada)
        assert uuid.UUID(created["id"]).version == 7
        assert created | {"id": "", "created_at": "", "updated_at": ""} == {
            "id": "",
            "user_id": "ada",
            "conversation_type": "general",
            "title": None,
            "status": "active",
            "system_prompt": None,
            "model": None,
            "on_busy": None,
            "collection_ids": [],
            "persona_id": None,
            "persona_version": None,
            "window": None,
            "metadata": {},
            "message_count": 0,
            "active_leaf_id": None,
            "is_branched": False,
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "total_cost": "0",
            "created_at": "",
            "updated_at": "",
            "last_message_at": None,
            "ended_at": None,
        }

    async def test_everything_said_is_kept(self, ada: httpx2.AsyncClient) -> None:
        fields = {
            "title": "Grüße, 世界 🌍",
            "conversation_type": "rag_query",
            "system_prompt": "Be brief.",
            "model": "scripted/other",
            "metadata": {"tags": ["a", {"deep": None}], "score": 0.5, "große": 10**15},
        }
        created = await new_conversation(ada, **fields)
        assert {name: created[name] for name in fields} == fields
        assert (await conversation_of(ada, created["id"])).items() >= fields.items()


class TestChange:
    async def test_only_what_is_named_changes(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada, title='Old', metadata={'a': 1}))['id']}"
        changed = (await ada.patch(path, json={"status": "archived"})).json()
        assert (changed["title"], changed["status"], changed["metadata"]) == ("Old", "archived", {"a": 1})
        changed = (await ada.patch(path, json={"title": "New", "metadata": {}, "status": "active"})).json()
        assert (changed["title"], changed["status"], changed["metadata"]) == ("New", "active", {})
        assert changed["ended_at"] is None

    async def test_a_change_with_one_bad_part_changes_nothing(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada, title='Old'))['id']}"
        body = b'{"title": "New", "status": "archived", "metadata": {"a": "\\u0000"}}'
        refused = await ada.patch(path, content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code == 422
        after = (await ada.get(path)).json()
        assert (after["title"], after["status"]) == ("Old", "active")


class TestEnd:
    async def test_an_ended_conversation_takes_no_more(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}"
        first = (await ada.post(f"{path}/end")).json()
        assert (await ada.post(f"{path}/end")).json() == first
        for door in ("messages", "turns"):
            body = {"content": "More"} | ({"role": "user"} if door == "messages" else {})
            refused = await ada.post(f"{path}/{door}", json=body)
            assert refused.status_code == 409
            assert refused.json()["code"] == "conversation_not_active"
            assert refused.json()["status"] == 409
        assert (await ada.get(path)).json()["message_count"] == 0


class TestPages:
    async def test_conversations_are_read_both_ways_without_repeats(self, ada: httpx2.AsyncClient) -> None:
        newest_first = [(await new_conversation(ada, title=str(n)))["id"] for n in range(5)][::-1]
        forward, cursors = [], []
        query: dict[str, str | int] = {"limit": 2}
        while True:
            page = (await ada.get("/conversations", params=query)).json()
            forward.append([item["id"] for item in page["items"]])
            cursors.append(page["previous"])
            if page["next"] is None:
                break
            query = {"limit": 2, "cursor": page["next"]}
        assert forward == [newest_first[:2], newest_first[2:4], newest_first[4:]]
        assert cursors[0] is None

        back = (await ada.get("/conversations", params={"limit": 2, "cursor": cursors[-1]})).json()
        assert [item["id"] for item in back["items"]] == newest_first[2:4]
        first = (await ada.get("/conversations", params={"limit": 2, "cursor": back["previous"]})).json()
        assert [item["id"] for item in first["items"]] == newest_first[:2]
        assert first["previous"] is None

    async def test_a_page_is_stable_while_others_are_started(self, ada: httpx2.AsyncClient) -> None:
        ids = [(await new_conversation(ada))["id"] for _ in range(3)][::-1]
        first = (await ada.get("/conversations", params={"limit": 2})).json()
        await new_conversation(ada)
        rest = (await ada.get("/conversations", params={"limit": 2, "cursor": first["next"]})).json()
        assert [item["id"] for item in first["items"] + rest["items"]] == ids

    async def test_messages_are_read_from_either_end(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}"
        for n in range(1, 6):
            await ada.post(f"{path}/messages", json={"role": "user", "content": f"message {n}"})
        oldest = (await ada.get(f"{path}/messages", params={"limit": 3})).json()
        rest = (await ada.get(f"{path}/messages", params={"limit": 3, "cursor": oldest["next"]})).json()
        assert [[m["sequence_number"] for m in page["items"]] for page in (oldest, rest)] == [[1, 2, 3], [4, 5]]
        assert rest["next"] is None
        newest = (await ada.get(f"{path}/messages", params={"limit": 3, "newest_first": True})).json()
        assert [m["sequence_number"] for m in newest["items"]] == [5, 4, 3]

    async def test_a_conversation_leads_on_to_its_older_messages(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}"
        for n in range(1, 6):
            await ada.post(f"{path}/messages", json={"role": "user", "content": f"message {n}"})
        shown = (await ada.get(path, params={"limit": 2})).json()
        assert [m["sequence_number"] for m in shown["messages"]] == [4, 5]
        older = (await ada.get(f"{path}/messages", params={"cursor": shown["older"], "newest_first": True})).json()
        assert [m["sequence_number"] for m in older["items"]] == [3, 2, 1]

    async def test_the_filter_narrows_by_type_and_status(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        wanted = await new_conversation(ada, conversation_type="rag_query")
        ended = await new_conversation(ada, conversation_type="rag_query")
        await ada.post(f"/conversations/{ended['id']}/end")
        await new_conversation(ada)
        await new_conversation(bob, conversation_type="rag_query")
        page = (await ada.get("/conversations", params={"conversation_type": "rag_query", "status": "active"})).json()
        assert [item["id"] for item in page["items"]] == [wanted["id"]]
