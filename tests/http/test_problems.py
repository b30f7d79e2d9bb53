"""Every failure leaves as RFC 9457 problem details with a stable code, and none of our own words leaks."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import NoReturn

import httpx2
import pytest
from fastapi import FastAPI

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.llm.errors import ModelRateLimitedError
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, TextDelta
from conversation_engine.infra.web.problems import STATUS_BY_KIND, document, problem_of
from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.testing import Fail, Say, ScriptedModel
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import Heartbeat, TurnEvent
from tests.http.scenes import conversation_of, new_conversation, problem_in, streamed

SECRET_WORDS = "password=hunter2 at /srv/app.py"


class BrokenModel(ScriptedModel):
    """Says something, then breaks in a way that no adapter foresaw."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta(text="Half a")
        raise RuntimeError(SECRET_WORDS)


class TestAddresses:
    async def test_an_unknown_one_is_a_problem(self, ada: httpx2.AsyncClient) -> None:
        for path in ("/", "/nothing", "/conversations/a/b/c", "/docs/assets/nothing.js", "/redoc"):
            response = await ada.get(path)
            assert response.status_code == 404, path
            assert problem_in(response)["code"] == "no_such_route"

    async def test_another_method_is_a_problem_that_says_which_are_taken(self, ada: httpx2.AsyncClient) -> None:
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
            response = await ada.request(method, "/conversations")
            assert response.status_code == 405, method
            assert problem_in(response)["code"] == "method_not_allowed"
            assert response.headers["allow"]

    async def test_tricks_lead_nowhere(self, ada: httpx2.AsyncClient) -> None:
        for path in (
            "//conversations",
            "/conversations/%2e%2e/healthz",
            "/docs/assets/..%2f..%2f..%2fsetup.py",
            "/docs/assets/%00",
            "/CONVERSATIONS",
        ):
            assert (await ada.get(path)).status_code in {404, 405}, path

    async def test_nothing_is_ever_redirected(self, stranger: httpx2.AsyncClient) -> None:
        for path in (
            "/conversations//",
            "/conversations%2f",
            "/docs//",
            "/docs/assets/",
            "/docs/assets",
            "/healthz///",
        ):
            response = await stranger.get(path, headers={"Host": "evil.example"})
            assert response.status_code in {200, 401, 404}, path
            assert "location" not in response.headers
            assert "evil.example" not in response.text


class TestCrash:
    @pytest.fixture
    def broken(self, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
        async def break_down(*_: object, **__: object) -> NoReturn:
            raise RuntimeError(SECRET_WORDS)

        monkeypatch.setattr(app.state.services[ConversationService], "get", break_down)

    @pytest.mark.usefixtures("broken")
    async def test_it_says_nothing_of_the_cause_and_the_log_says_all(
        self, ada: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        response = await ada.get(f"/conversations/{conversation_id}", headers={"X-Request-ID": "r-1"})
        assert response.status_code == 500
        assert problem_in(response)["code"] == "internal_error"
        assert "hunter2" not in response.text
        assert response.headers["x-request-id"] == "r-1"
        [record] = [record for record in caplog.records if record.getMessage() == "request.crashed"]
        assert vars(record)["request_id"] == "r-1"
        assert record.exc_info
        assert SECRET_WORDS in str(record.exc_info[1])

    async def test_a_model_that_crashes_fails_the_turn_in_our_words(
        self, ada: httpx2.AsyncClient, app: FastAPI, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model, "stream", BrokenModel().stream)
        conversation_id = (await new_conversation(ada))["id"]
        response = await ada.post(f"/conversations/{conversation_id}/turns", json={"content": "Hello"})
        assert "hunter2" not in response.text
        turn = response.json()
        assert (turn["state"], turn["error"]["code"]) == ("failed", "internal_error")
        assert (turn["message"]["content"], turn["message"]["status"]) == ("Half a", "partial")
        assert "hunter2" not in (await ada.get(f"/conversations/{conversation_id}")).text

    async def test_a_stream_that_breaks_off_ends_with_an_error_event(
        self, ada: httpx2.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def follow(*_: object, **__: object) -> AsyncIterator[TurnEvent]:
            for _once in "1":
                raise RuntimeError(SECRET_WORDS)
            yield Heartbeat()

        monkeypatch.setattr(app.state.services[TurnService], "follow", follow)
        conversation_id = (await new_conversation(ada))["id"]
        events = await streamed(ada, conversation_id, "Hello")
        assert [event.name for event in events] == ["error"]
        assert events[0].data["code"] == "internal_error"
        assert "hunter2" not in events[0].raw


class TestModelFaults:
    async def test_a_failed_turn_is_201_with_the_reason_in_it(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("So"), Fail(ModelRateLimitedError("vendor says: key sk-123 over quota")))
        conversation_id = (await new_conversation(ada))["id"]
        response = await ada.post(f"/conversations/{conversation_id}/turns", json={"content": "Hello"})
        assert response.status_code == 201
        assert response.json()["error"]["code"] == "model_rate_limited"
        assert "sk-123" not in response.text
        assert (await conversation_of(ada, conversation_id))["message_count"] == 2


class TestForm:
    """The table and the document themselves."""

    def test_every_kind_has_a_status(self) -> None:
        assert set(STATUS_BY_KIND) == set(Kind)
        assert all(status >= 400 for status in STATUS_BY_KIND.values())

    def test_facts_cannot_replace_the_documents_own_members(self) -> None:
        made = json.loads(document(409, code="over", detail="It is over.", facts={"status": "completed", "extra": 1}))
        assert (made["status"], made["code"], made["extra"]) == (409, "over", 1)

    def test_half_a_character_in_a_fact_is_replaced(self) -> None:
        made = json.loads(document(422, code="odd", detail="\ud800", facts={"name\udfff": "\ud800"}))
        assert (made["detail"], made["name?"]) == ("?", "?")

    def test_a_wait_is_a_header_too(self) -> None:
        class Slow(EngineError):
            code = "slow"
            kind = Kind.RATE_LIMITED

        response = problem_of(Slow("Wait.", retry_after=0.2))
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")


class TestRequestIds:
    async def test_a_good_one_is_kept_and_given_back(self, stranger: httpx2.AsyncClient) -> None:
        response = await stranger.get("/conversations", headers={"X-Request-ID": "trace-1:a_b.c"})
        assert response.headers["x-request-id"] == "trace-1:a_b.c"

    async def test_one_that_could_deceive_a_header_or_a_log_is_replaced(self, stranger: httpx2.AsyncClient) -> None:
        for given in (
            b"",
            b"a b",
            b"a\tb",
            b"a" * 129,
            b"a\r\nSet-Cookie: a=b",
            b"a\nERROR all.lost",
            b"\xc3\xa9",
            b"a\x00",
        ):
            response = await stranger.get("/healthz", headers=[(b"x-request-id", given)])
            assert len(response.headers["x-request-id"]) == 36, given
            assert response.headers.get_list("x-request-id") == [response.headers["x-request-id"]]
            assert "set-cookie" not in response.headers


class TestOtherSites:
    async def test_no_page_of_another_site_may_read_us(
        self, ada: httpx2.AsyncClient, token_of: Callable[[str], str]
    ) -> None:
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for response in (
            await ada.options("/conversations", headers=preflight),
            await ada.get("/conversations", headers=preflight),
        ):
            assert not [name for name in response.headers if name.startswith("access-control-")]
