"""`/rag/…` over a real socket, as the seeds' example scripts call it."""

import asyncio
import json
import urllib.request
from typing import Any

import httpx2
import pytest

from conversation_engine.engine.settings import Settings
from conversation_engine.testing import Say, ScriptedModel
from tests.http.scenes import EVENT_STREAM, Serve, events_in, problem_in, text_of

REPORT = ("report.md", b"# Results\n\nThe key financial metrics are revenue growth of 12 % and a margin of 30 %.")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"embedding_model": "none"})


async def upload(client: httpx2.AsyncClient) -> str:
    """The report, read."""
    response = await client.post("/documents", files=[("files", REPORT)])
    [document] = response.json()["documents"]
    while document["status"] != "ready":
        document = (await client.get(f"/documents/{document['id']}")).json()
    return str(document["id"])


class _Requests:
    """What the seeds' scripts use of `requests`: a plain client over a real socket."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, url: str, body: Any) -> Any:
        return self._send(urllib.request.Request(url, json.dumps(body).encode(), self._headers, method="POST"))

    def get(self, url: str) -> Any:
        return self._send(urllib.request.Request(url, headers=self._headers))

    def _send(self, request: urllib.request.Request) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as response:
            return json.loads(response.read())


def seed_script(base: str, requests: _Requests) -> tuple[list[str], list[str]]:
    """The three example scripts of the seeds' page, one after the other."""
    conversation = requests.post(
        f"{base}/conversations/", {"title": "Financial Analysis Discussion", "conversation_type": "rag_query"}
    )
    conversation_id = conversation["id"]
    answers = []
    for query in ("What are the key financial metrics?", "Can you explain the revenue growth in more detail?"):
        result = requests.post(
            f"{base}/rag/conversation/{conversation_id}/query", {"query": query, "strategy": "rrf_fusion"}
        )
        answers.append(result["answer"])
    history = requests.get(f"{base}/conversations/{conversation_id}")
    printed = []
    for message in history["messages"]:
        printed.append(f"[{message['role']}]: {message['content']}")
        if message.get("metadata", {}).get("search_results"):
            printed.append(f"  Sources: {len(message['metadata']['search_results'])} results")
    return answers, printed


class TestSeedScripts:
    async def test_they_run_unchanged(self, serve: Serve, settings: Settings, model: ScriptedModel) -> None:
        served = await serve(settings)
        await upload(served.client)
        model.then(Say("Revenue growth and margin [1]."))
        model.then(Say("It was 12 % [1]."))
        base = f"http://127.0.0.1:{served.port}"
        answers, printed = await asyncio.to_thread(seed_script, base, _Requests(served.token))
        assert answers == ["Revenue growth and margin [1].", "It was 12 % [1]."]
        assert printed == [
            "[user]: What are the key financial metrics?",
            "[assistant]: Revenue growth and margin [1].",
            "  Sources: 1 results",
            "[user]: Can you explain the revenue growth in more detail?",
            "[assistant]: It was 12 % [1].",
            "  Sources: 1 results",
        ]


class TestQuery:
    async def test_it_makes_a_conversation_that_the_question_names(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        document_id = await upload(ada)
        model.then(Say("12 % [1]."))
        body = {"query": "What is the revenue growth?", "strategy": "rrf_fusion", "top_k": 10, "include_sources": True}
        answer = (await ada.post("/rag/query", json=body)).json()
        assert (answer["answer"], answer["citations"], answer["is_answerable"]) == ("12 % [1].", [1], True)
        assert answer["strategy"] == "lexical"  # no embedding model here
        [source] = answer["sources"]
        assert (source["number"], source["is_cited"], source["id"]) == (1, True, f"{document_id}:0")
        assert "12 %" in source["text"]
        conversation = (await ada.get(f"/conversations/{answer['conversation_id']}")).json()
        assert conversation["conversation_type"] == "rag_query"
        assert conversation["title"] == "What is the revenue growth?"
        listed = (await ada.get("/conversations/?conversation_type=rag_query&limit=50")).json()
        assert len(listed["items"] if isinstance(listed, dict) else listed) == 1

    async def test_it_streams_like_any_turn(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        await upload(ada)
        model.then(Say("12 % [1]."))
        body = {"query": "What is the revenue growth?"}
        async with ada.stream("POST", "/rag/query", json=body, headers=EVENT_STREAM) as response:
            events = [event async for event in events_in(response)]
        assert text_of(events) == "12 % [1]."
        assert events[-1].name == "turn.completed"
        assert events[-1].data["message"]["metadata"]["citations"] == [1]

    async def test_what_is_not_there_is_said(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        await upload(ada)
        body = {"query": "penguins", "include_sources": False}
        answer = (await ada.post("/rag/query", json=body)).json()
        assert answer["answer"] == "The documents do not say anything about that."
        assert (answer["is_answerable"], answer["sources"], model.requests) == (False, None, [])

    async def test_the_same_key_is_the_same_answer(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        await upload(ada)
        key, body = {"Idempotency-Key": "one"}, {"query": "revenue growth"}
        first, again = [(await ada.post("/rag/query", json=body, headers=key)).json() for _ in range(2)]
        assert first == again
        assert len(model.requests) == 1

    @pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "a", "strategy": "x"}, {"query": "a", "top_k": 0}])
    async def test_what_is_no_question_is_refused(self, ada: httpx2.AsyncClient, body: dict[str, Any]) -> None:
        assert problem_in(await ada.post("/rag/query", json=body))["status"] == 422

    async def test_a_conversation_may_have_collections(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        mine = (await ada.post("/collections", json={"name": "Sea"})).json()["id"]
        theirs = (await bob.post("/collections", json={"name": "Sea"})).json()["id"]
        conversation_id = (await ada.post("/conversations", json={})).json()["id"]
        path = f"/conversations/{conversation_id}/collections"
        assert (await ada.put(path, json={"collection_ids": [mine]})).json()["collection_ids"] == [mine]
        assert (await ada.get(f"/conversations/{conversation_id}")).json()["collection_ids"] == [mine]
        assert problem_in(await ada.put(path, json={"collection_ids": [theirs]}))["code"] == "collection_forbidden"
        assert problem_in(await bob.put(path, json={"collection_ids": []}))["code"] == "conversation_forbidden"
