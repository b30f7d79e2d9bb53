"""Conversations as files, over HTTP."""

import json

import httpx2
import pytest

from tests.people.files import CHATGPT

FORMS = [
    ("json", "application/json", "json"),
    ("jsonl", "application/jsonl", "jsonl"),
    ("markdown", "text/markdown; charset=utf-8", "md"),
    ("html", "text/html; charset=utf-8", "html"),
]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class TestExport:
    async def test_it_is_a_file_to_keep(self, ada: httpx2.AsyncClient) -> None:
        await ada.post("/account/import", json=CHATGPT)
        [talk] = (await ada.get("/conversations")).json()["items"]
        for form, media_type, ending in FORMS:
            one = await ada.get(f"/conversations/{talk['id']}/export", params={"format": form})
            everything = await ada.get("/account/export/conversations", params={"format": form})
            name = f"conversation-{talk['id']}.{ending}"
            assert one.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert one.headers["content-type"] == everything.headers["content-type"] == media_type
            assert "Density." in one.text
            assert "Density." in everything.text

    async def test_a_form_that_there_is_not_is_refused(self, ada: httpx2.AsyncClient) -> None:
        refused = await ada.get("/account/export/conversations", params={"format": "docx"})
        assert refused.status_code == 422


class TestImport:
    async def test_the_file_is_the_body_and_may_be_larger_than_others(self, ada: httpx2.AsyncClient) -> None:
        filler = {"what": "x" * 1_100_000}
        response = await ada.post("/account/import", content=json.dumps([filler, *CHATGPT]).encode())
        assert response.status_code == 200, response.text
        report = response.json()
        assert (report["conversations_added"], report["messages_added"], report["lost_count"]) == (1, 6, 1)
        assert [problem["position"] for problem in report["problems"]] == ["[0]"]
        again = (await ada.post("/account/import", json=CHATGPT)).json()
        assert (again["conversations_added"], again["conversations_known"]) == (0, 1)
