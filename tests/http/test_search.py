"""`GET /conversations/search`."""

import httpx2

from tests.http.scenes import new_conversation, problem_in


class TestSearch:
    async def test_what_was_said_is_found_by_whom_it_belongs_to(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        made = await new_conversation(ada, title="Animals")
        for text in ("The quick brown fox", "A lazy dog"):
            said = {"role": "user", "content": text}
            await ada.post(f"/conversations/{made['id']}/messages", json=said)
        found = (await ada.get("/conversations/search", params={"q": '"quick brown" fox*'})).json()
        [hit] = found["items"]
        assert (hit["conversation_id"], hit["title"], hit["role"]) == (made["id"], "Animals", "user")
        assert hit["snippet"] == "The quick brown fox"
        assert hit["highlights"] == [{"start": 4, "end": 15}, {"start": 16, "end": 19}]
        assert (found["next"], found["is_complete"]) == (None, True)
        assert (await bob.get("/conversations/search/", params={"q": "fox"})).json()["items"] == []
        for query in ({"role": "assistant"}, {"conversation_type": "rag_query"}, {"to": "2020-01-01"}):
            assert (await ada.get("/conversations/search", params={"q": "fox", **query})).json()["items"] == [], query

    async def test_pages_and_what_makes_no_sense(self, ada: httpx2.AsyncClient) -> None:
        made = await new_conversation(ada)
        for number in range(3):
            said = {"role": "user", "content": f"fox {number}"}
            await ada.post(f"/conversations/{made['id']}/messages", json=said)
        first = (await ada.get("/conversations/search", params={"q": "fox", "limit": 2})).json()
        query = {"q": "fox", "limit": 2, "cursor": first["next"]}
        second = (await ada.get("/conversations/search", params=query)).json()
        assert [hit["snippet"] for hit in first["items"] + second["items"]] == ["fox 2", "fox 1", "fox 0"]
        assert second["next"] is None
        for query, status, code in (
            ({"q": "?"}, 422, "nothing_sought"),
            ({"q": "x", "cursor": "x"}, 422, "invalid_cursor"),
            ({"q": "x", "client_id": "x"}, 422, "invalid_id"),
            ({"q": "x", "from": "then"}, 422, "bad_period"),
            ({"q": "x", "whose": "clients"}, 403, "role_forbidden"),
            ({"q": "x", "user_id": "bob"}, 403, "role_forbidden"),
        ):
            refused = await ada.get("/conversations/search", params=query)
            assert (refused.status_code, problem_in(refused)["code"]) == (status, code), query
