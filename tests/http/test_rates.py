"""Rates at the door."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.infra.ids import new_id
from conversation_engine.testing import ScriptedModel
from tests.conftest import ValkeyHandle
from tests.http.conftest import _client
from tests.http.scenes import EVENT_STREAM, MISSING_ID, new_conversation, problem_in

RULES = "messages user 3/minute; messages everybody 100/hour"

SAYS_NOTHING = {
    "/account/erase",
    "/account/import",
    "/api/chat/{chat}/stop",
    "/auth/link",
    "/auth/logout",
    "/auth/refresh",
    "/auth/token",
    "/collections",
    "/conversations",
    "/conversations/{conversation_id}/end",
    "/conversations/{conversation_id}/erase",
    "/conversations/{conversation_id}/messages/{message_id}/choose",
    "/conversations/{conversation_id}/messages/{message_id}/fork",
    "/conversations/{conversation_id}/shares",
    "/conversations/{conversation_id}/turns/{turn_id}/cancel",
    "/documents",
    "/personas",
    "/personas/preview",
    "/personas/{persona_id}/archive",
    "/personas/{persona_id}/restore",
    "/prompt-templates/{name}/render",
    "/rag/search",
    "/review/conversations/{conversation_id}/erase",
    "/sessions",
    "/sessions/{session_id}/end",
    "/sessions/{session_id}/messages",  # counted when it is answered, by `…/response`
    "/users",
    "/users/{user_id}/erase",
    "/users/{user_id}/link",
    "/users/{user_id}/logout",
    "/v1/conversations",
    "/v1/conversations/{conversation_id}",
    "/v1/conversations/{conversation_id}/items",
    "/v1/embeddings",  # vectors, no words
    "/v1/responses/input_tokens",
    "/v1/responses/{response_id}/cancel",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"rate_limits": RULES})


async def say(client: httpx2.AsyncClient, conversation_id: str, **options: object) -> httpx2.Response:
    return await client.post(f"/conversations/{conversation_id}/turns", json={"content": "hi"}, **options)


async def stored(client: httpx2.AsyncClient, conversation_id: str) -> int:
    return len((await client.get(f"/conversations/{conversation_id}/messages")).json()["items"])


class TestRepetitions:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"rate_limits": "writes user 3/minute"})

    async def test_an_answer_that_was_kept_counts_and_says_what_is_left(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/feedback"
        answers = [await ada.put(path, json={"rating": 5}, headers={"Idempotency-Key": "k-1"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].json() == answers[1].json()
        assert ["r=1" in answers[0].headers["RateLimit"], "r=0" in answers[1].headers["RateLimit"]] == [True, True]
        assert answers[2].json()["code"] == "rate_limited"


class TestMessages:
    async def test_one_too_many_is_refused_and_not_stored(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        codes = [(await say(ada, conversation_id)).status_code for _ in range(4)]
        assert codes == [201, 201, 201, 429]
        assert await stored(ada, conversation_id) == 6
        assert len(model.requests) == 3

    async def test_the_refusal_is_a_problem_that_says_when_to_come_back(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        for _ in range(3):
            await say(ada, conversation_id)
        refused = await say(ada, conversation_id)
        problem = problem_in(refused)
        assert (problem["code"], problem["violated-policies"]) == ("rate_limited", ["messages-user"])
        assert int(refused.headers["retry-after"]) == problem["retry_after"] in range(1, 61)
        assert refused.headers["ratelimit"].startswith('"messages-user";r=0;t=')

    async def test_admins_see_who_was_refused_by_which_rule(
        self, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient
    ) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        for _ in range(5):
            await say(ada, conversation_id)
        found = (await admin.get("/limits/refusals", params={"days": 1})).json()
        assert [(one["user_id"], one["rule"], one["refused"]) for one in found["people"]] == [
            ("ada", "messages-user", 2)
        ]
        assert [(one["rule"], one["refused"]) for one in found["hours"]] == [("messages-user", 2)]
        assert (await ada.get("/limits/refusals")).status_code == 403

    async def test_a_stream_is_refused_with_a_status(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        for _ in range(3):
            await say(ada, conversation_id)
        assert (await say(ada, conversation_id, headers=EVENT_STREAM)).status_code == 429

    async def test_every_answer_says_how_the_rules_stand(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        answers = [
            await say(ada, conversation_id, headers=EVENT_STREAM),  # a stream
            await ada.post(f"/conversations/{conversation_id}/turns", json={"content": 1}),  # 422
            await say(ada, MISSING_ID),  # 404
            await say(ada, conversation_id),  # 429
        ]
        assert [answer.status_code for answer in answers] == [200, 422, 404, 429]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {
            '"messages-user";q=3;w=60, "messages-everybody";q=100;w=3600'
        }
        left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
        assert left == ["r=2", "r=1", "r=0", "r=0"]

    async def test_all_that_says_something_counts_and_nothing_else(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        path = f"/conversations/{conversation_id}/messages"
        said = (await ada.post(path, json={"role": "user", "content": "hi"})).json()
        for verb in ("regenerate", "edit"):
            answer = await ada.post(f"{path}/{said['id']}/{verb}", json={"content": "a"} if verb == "edit" else {})
            assert answer.status_code == 201
        assert (await ada.post(path, json={"role": "user", "content": "hi"})).status_code == 429
        for answer in (await ada.get(path), await ada.patch(f"/conversations/{conversation_id}", json={"title": "t"})):
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers

    async def test_so_do_questions_to_documents(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada, conversation_type="rag_query"))["id"]
        ways = ["/rag/query", f"/rag/conversation/{conversation_id}/query", "/query"]
        for way in ways:
            assert (await ada.post(way, json={"query": "hi"})).status_code < 300
        for way in ways:
            refused = await ada.post(way, json={"query": "hi"})
            assert (refused.status_code, refused.headers["ratelimit"].split(";")[1]) == (429, "r=0")

    def test_whether_a_route_says_something_was_decided_for_each(self, app: FastAPI) -> None:
        """A new one that has something answered belongs to `messages`; any other is added here."""
        posts = {path: way["post"] for path, way in app.openapi()["paths"].items() if "post" in way}
        assert {path for path, way in posts.items() if "x-rate-class" not in way} == SAYS_NOTHING

    async def test_a_repetition_is_a_request_too_and_is_still_one_turn(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        codes = [(await say(ada, conversation_id, headers={"Idempotency-Key": "k"})).status_code for _ in range(4)]
        assert codes == [201, 201, 201, 429]
        assert await stored(ada, conversation_id) == 2

    async def test_people_are_counted_apart(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        for client in (ada, bob):
            conversation_id = (await new_conversation(client))["id"]
            assert [(await say(client, conversation_id)).status_code for _ in range(4)] == [201, 201, 201, 429]

    async def test_a_stranger_is_not_counted(self, stranger: httpx2.AsyncClient) -> None:
        answer = await say(stranger, MISSING_ID)
        assert (answer.status_code, "ratelimit" in answer.headers) == (401, False)

    async def test_a_race_lets_in_exactly_what_is_allowed(self, ada: httpx2.AsyncClient) -> None:
        conversations = [(await new_conversation(ada))["id"] for _ in range(40)]
        answers = await asyncio.gather(*(say(ada, conversation_id) for conversation_id in conversations))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 37


@pytest.fixture
async def replicas(settings: Settings, valkey: ValkeyHandle, model: ScriptedModel) -> AsyncIterator[list[FastAPI]]:
    """Two applications that share a Valkey."""
    shared = settings.model_copy(update={"valkey_url": SecretStr(valkey.url)})
    apps = [create_app(shared, providers={"scripted": model}) for _ in range(2)]
    async with apps[0].router.lifespan_context(apps[0]), apps[1].router.lifespan_context(apps[1]):
        yield apps


@pytest.mark.valkey
class TestReplicas:
    async def test_share_one_count(self, replicas: list[FastAPI], token_of: Callable[[str], str]) -> None:
        codes, carol = list[int](), new_id()  # the count outlives the test's database
        for app in (*replicas, *replicas):
            async for client in _client(app, token_of(carol)):
                codes.append((await say(client, (await new_conversation(client))["id"])).status_code)
        assert sorted(codes) == [201, 201, 201, 429]


class TestLimits:
    async def test_says_what_is_left_without_counting(self, ada: httpx2.AsyncClient) -> None:
        await say(ada, (await new_conversation(ada))["id"])
        for _ in range(2):
            [own, everybody] = (await ada.get("/limits")).json()["rates"]
            assert (own["policy"], own["limit"], own["remaining"]) == ("messages-user", 3, 2)
            assert (everybody["audience"], everybody["period_seconds"], everybody["remaining"]) == (
                "everybody",
                3600,
                99,
            )
