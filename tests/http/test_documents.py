"""`/documents`, `/collections` and `/rag/search` over HTTP."""

from typing import Any

import httpx2
import pytest

from conversation_engine.engine.settings import Settings
from tests.http.scenes import MISSING_ID, problem_in

BOATS = ("boats.md", b"# Harbour\n\nBoats wait for the tide.", "text/markdown")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without weights: by words only."""
    return settings.model_copy(update={"embedding_model": "none", "document_limit_bytes": 2000})


async def upload(client: httpx2.AsyncClient, *files: tuple[str, bytes, str], **fields: str) -> list[dict[str, Any]]:
    """Upload files and wait until nothing more will happen to them."""
    response = await client.post("/documents", files=[("files", file) for file in files], data=fields)
    assert response.status_code == 202, response.text
    documents = []
    for document in response.json()["documents"]:
        while document["status"] not in ("ready", "failed"):
            document = (await client.get(f"/documents/{document['id']}")).json()
        documents.append(document)
    return documents


class TestUpload:
    async def test_several_files_are_taken_and_what_is_wrong_with_one_keeps_no_other(
        self, ada: httpx2.AsyncClient
    ) -> None:
        documents = await upload(
            ada, BOATS, ("empty.txt", b"", "text/plain"), ("big.txt", b"x" * 2001, "text/plain"),
            ("a.zip", b"PK\x03\x04", "application/zip"), metadata='{"year": 1999}',
        )  # fmt: skip
        assert [(d["name"], d["status"], d["error"] and d["error"]["code"]) for d in documents] == [
            ("boats.md", "ready", None),
            ("empty.txt", "failed", "document_empty"),
            ("big.txt", "failed", "document_too_large"),
            ("a.zip", "failed", "document_type_unsupported"),
        ]
        assert documents[0]["metadata"] == {"year": 1999}

    async def test_an_upload_may_be_larger_than_other_bodies(self, ada: httpx2.AsyncClient) -> None:
        [document] = await upload(ada, ("big.txt", b"x" * 3_000_000, "text/plain"))
        assert document["error"]["code"] == "document_too_large"
        refused = await ada.post("/rag/search", json={"query": "x" * 3_000_000})
        assert problem_in(refused)["code"] == "body_too_large"

    @pytest.mark.parametrize(
        "request_",
        [
            {"json": {"files": []}},
            {"data": {"metadata": "{}"}},
            {"files": [("files", BOATS)], "data": {"metadata": "no json"}},
            {"files": [("files", BOATS)], "data": {"metadata": "[1]"}},
            {"files": [("files", BOATS)], "data": {"collection_id": "none"}},
            {"content": b"--x\r\n\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            {"content": b"junk", "headers": {"content-type": "multipart/form-data"}},
        ],
    )
    async def test_what_is_no_upload_is_refused(self, ada: httpx2.AsyncClient, request_: dict[str, Any]) -> None:
        assert problem_in(await ada.post("/documents", **request_))["status"] == 422

    async def test_names_are_kept_as_they_are(self, ada: httpx2.AsyncClient) -> None:
        [document] = await upload(ada, ("../../etc/<b>passwd</b>.md", b"boats", "text/markdown"))
        assert document["name"] == "../../etc/<b>passwd</b>.md"


class TestDocuments:
    async def test_they_are_listed_opened_and_deleted_by_their_owner(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        [document] = await upload(ada, BOATS)
        path = f"/documents/{document['id']}"
        assert [d["id"] for d in (await ada.get("/documents/")).json()["items"]] == [document["id"]]
        assert (await bob.get("/documents")).json()["items"] == []
        for refused in (await bob.get(path), await bob.delete(path), await bob.get(f"{path}/passages/0")):
            assert problem_in(refused)["code"] == "document_forbidden"
        passage = (await ada.get(f"{path}/passages/0")).json()
        assert (passage["text"], passage["heading"]) == ("# Harbour\nBoats wait for the tide.", "Harbour")
        assert (await ada.delete(path)).status_code == 204
        assert problem_in(await ada.get(path))["code"] == "document_not_found"
        assert problem_in(await ada.get(f"/documents/{MISSING_ID}"))["status"] == 404

    async def test_a_stranger_without_a_token_learns_nothing(self, stranger: httpx2.AsyncClient) -> None:
        for response in (
            await stranger.get("/documents"),
            await stranger.post("/rag/search", json={}),
            await stranger.get("/collections"),
        ):  # fmt: skip
            assert problem_in(response)["status"] == 401


class TestCollections:
    async def test_they_are_made_changed_and_deleted(self, ada: httpx2.AsyncClient) -> None:
        made = await ada.post("/collections", json={"name": "Sea", "metadata": {"a": 1}})
        assert made.status_code == 201
        path = f"/collections/{made.json()['id']}"
        await upload(ada, BOATS, collection_id=made.json()["id"])
        changed = (await ada.patch(path, json={"name": "Ocean"})).json()
        assert (changed["name"], changed["document_count"], changed["metadata"]) == ("Ocean", 1, {"a": 1})
        assert [c["name"] for c in (await ada.get("/collections")).json()["items"]] == ["Ocean"]
        assert (await ada.delete(path)).status_code == 204
        assert problem_in(await ada.get(path))["code"] == "collection_not_found"
        assert (await ada.get("/documents")).json()["items"] == []

    async def test_a_student_does_not_share(self, ada: httpx2.AsyncClient) -> None:
        refused = await ada.post("/collections", json={"name": "Sea", "is_shared": True})
        assert problem_in(refused)["code"] == "sharing_forbidden"


class TestSearch:
    async def test_a_hit_says_where_it_is_and_why(self, ada: httpx2.AsyncClient) -> None:
        [document] = await upload(ada, BOATS, metadata='{"year": 1999}')
        found = (await ada.post("/rag/search", json={"query": "tides", "filters": {"year": 1999}})).json()
        [hit] = found["results"]
        assert (hit["id"], hit["rank"], hit["lexical"]["rank"]) == (f"{document['id']}:0", 1, 1)
        assert [hit["text"][h["start"] : h["end"]] for h in hit["highlights"]] == ["tide"]
        assert hit["text"][hit["start_offset"] : hit["end_offset"]] == hit["text"]
        assert (found["strategy"], found["cache"]) == ("lexical", "miss")
        assert set(found["steps_ms"]) == {"embed", "search", "highlight"}
        off = await ada.post("/rag/search", json={"query": "tides", "strategy": "dense"})
        assert problem_in(off)["code"] == "embeddings_off"

    @pytest.mark.parametrize(
        "body",
        [{}, {"query": " "}, {"query": "a", "top_k": 0}, {"query": "a", "strategy": "magic"}, {"query": "a", "x": 1}],
    )
    async def test_what_is_no_search_is_refused(self, ada: httpx2.AsyncClient, body: dict[str, Any]) -> None:
        assert problem_in(await ada.post("/rag/search", json=body))["status"] == 422
