"""`GET /conversations/stats/…`."""

import httpx2

from tests.http.scenes import new_conversation, problem_in, streamed


class TestStatistics:
    async def test_the_overview_says_how_many_of_what(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        for kind in ("general", "rag_query", "general"):
            made = await new_conversation(ada, conversation_type=kind)
        await streamed(ada, made["id"], "Hello")
        found = (await ada.get("/conversations/stats/overview")).json()
        assert (found["total_conversations"], found["total_messages"]) == (3, 2)
        assert found["conversation_types"] == {"general": 2, "rag_query": 1}
        assert found["types"]["general"]["messages"] == 2
        assert found["total_tokens"] == found["input_tokens"] + found["output_tokens"] > 0
        assert (await bob.get("/conversations/stats/overview/")).json()["total_conversations"] == 0

    async def test_the_further_views_are_of_a_period(self, ada: httpx2.AsyncClient) -> None:
        made = await new_conversation(ada)
        await streamed(ada, made["id"], "Hello")
        days = (await ada.get("/conversations/stats/activity")).json()["days"]
        assert len(days) == 30
        assert (sum(day["user_messages"] for day in days), sum(day["replies"] for day in days)) == (1, 1)
        engagement = (await ada.get("/conversations/stats/engagement")).json()
        assert (engagement["people"], engagement["return_rate"], engagement["lengths"]["1-2"]) == (1, 0.0, 1)
        performance = (await ada.get("/conversations/stats/performance")).json()
        assert (performance["model_calls"]["calls"], performance["errors"]["failure_rate"]) == (1, 0.0)
        long_ago = {"from": "2020-01-01", "to": "2020-01-03"}
        before = (await ada.get("/conversations/stats/performance", params=long_ago)).json()
        assert (before["from"], before["to"], before["model_calls"]["calls"]) == ("2020-01-01", "2020-01-03", 0)

    async def test_others_are_for_those_who_look_after_them(
        self, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient
    ) -> None:
        await new_conversation(ada)
        for view in ("overview", "activity", "engagement", "performance"):
            for whose in ("clients", "everybody"):
                refused = await ada.get(f"/conversations/stats/{view}", params={"whose": whose})
                assert (refused.status_code, problem_in(refused)["code"]) == (403, "role_forbidden")
        told = (await admin.get("/conversations/stats/overview", params={"whose": "everybody"})).json()
        assert told["total_conversations"] == 1
        looks = (await admin.get("/audit", params={"action": "statistics.looked_at"})).json()["items"]
        assert [look["actor_id"] for look in looks] == ["root"]

    async def test_a_period_that_makes_no_sense_is_refused(self, ada: httpx2.AsyncClient) -> None:
        for query in ({"from": "yesterday"}, {"from": "2026-02-01", "to": "2026-02-01"}, {"from": "9999-12-31"}):
            refused = await ada.get("/conversations/stats/activity", params=query)
            assert (refused.status_code, problem_in(refused)["code"]) == (422, "bad_period"), query
