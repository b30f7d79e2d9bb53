"""What the client makes of answers that no healthy server gives: a stand-in gives them."""

import json
from http import HTTPStatus

import httpx2
import pytest

from conversation_engine.client import (
    BrokenAnswerError,
    Client,
    ClientError,
    InvalidRequestError,
    RateLimitedError,
    ReplyDelta,
    ToolCallBegun,
    ToolCallDelta,
    TurnEnded,
    TurnRestarted,
    UnauthenticatedError,
    UnavailableError,
    UpstreamError,
)
from conversation_engine.client.errors import BY_STATUS, BadAddressError
from conversation_engine.infra.web.problems import STATUS_BY_KIND, document
from conversation_engine.kernel.errors import Kind
from tests.client.conftest import HASTE

PAGE = {"items": [], "next": None, "previous": None}


class Answers:
    """Gives these answers, one a request, the last one for ever."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return httpx2.Response(answer.status_code, content=answer.content, headers=answer.headers)


def client_of(answers: Answers, **options: object) -> Client:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answers))
    return Client("http://server.test", http=http, patience=HASTE, **options)  # type: ignore[arg-type]


def problem(status: int, code: str, **facts: object) -> httpx2.Response:
    return httpx2.Response(status, content=document(status, code=code, detail="A sentence.", facts=facts))


def page() -> httpx2.Response:
    return httpx2.Response(200, json=PAGE)


class TestTrying:
    @pytest.mark.parametrize(
        "passing",
        [
            problem(429, "rate_limited", retry_after=0),
            problem(503, "database_unavailable"),
            problem(409, "idempotency_answer_pending"),
            httpx2.Response(502, text="<html>Bad gateway</html>"),
            httpx2.Response(504, text=""),
        ],
        ids=lambda answer: str(answer.status_code),
    )
    async def test_what_may_pass_is_tried_again_with_the_same_key(self, passing: httpx2.Response) -> None:
        answers = Answers(passing, passing, httpx2.Response(204))
        await client_of(answers).conversations.delete("x")
        assert len(answers.requests) == 3
        assert len({request.headers["idempotency-key"] for request in answers.requests}) == 1

    @pytest.mark.parametrize(
        ("final", "error"),
        [
            (problem(422, "invalid_text"), InvalidRequestError),
            (problem(502, "model_unreachable"), UpstreamError),
            (problem(429, "rate_limited", retry_after=3600), RateLimitedError),
            (httpx2.Response(200, text="<html>Welcome to the hotel</html>"), BrokenAnswerError),
            (httpx2.Response(302, headers={"location": "https://hotel.test"}), BrokenAnswerError),
            (httpx2.Response(500, text="oops"), BrokenAnswerError),
        ],
    )
    async def test_what_will_not_is_raised_at_once(self, final: httpx2.Response, error: type[ClientError]) -> None:
        answers = Answers(final)
        with pytest.raises(error):
            await client_of(answers).conversations.list()
        assert len(answers.requests) == 1

    async def test_patience_ends(self) -> None:
        answers = Answers(problem(503, "database_unavailable"))
        with pytest.raises(UnavailableError) as refused:
            await client_of(answers).conversations.list()
        assert len(answers.requests) == HASTE.tries
        assert (refused.value.code, refused.value.detail) == ("database_unavailable", "A sentence.")


class TestProblems:
    @pytest.mark.parametrize("kind", Kind)
    def test_every_kind_of_refusal_has_a_class_that_says_the_same_kind(self, kind: Kind) -> None:
        told = BY_STATUS[STATUS_BY_KIND[kind]].kind
        assert told is (Kind.CONFLICT if kind is Kind.CANCELLED else kind)

    async def test_facts_are_handed_on(self) -> None:
        answers = Answers(problem(429, "rate_limited", retry_after=3600, policies=["turns"]))
        with pytest.raises(RateLimitedError) as refused:
            await client_of(answers).conversations.list()
        assert refused.value.retry_after_seconds == 3600
        assert refused.value.facts == {"retry_after": 3600, "policies": ["turns"]}
        assert refused.value.status == HTTPStatus.TOO_MANY_REQUESTS

    def test_an_address_is_one_of_the_web(self) -> None:
        with pytest.raises(BadAddressError):
            Client("127.0.0.1:8000")


class TestTokens:
    async def test_a_function_is_asked_once_and_again_when_its_token_is_taken_no_more(self) -> None:
        given = iter(["old", "new"])

        async def fetch() -> str:
            return next(given)

        answers = Answers(page(), problem(401, "expired_token"), page())
        client = client_of(answers, token=fetch)
        for _ in range(2):
            await client.conversations.list()
        signed = [request.headers["authorization"] for request in answers.requests]
        assert signed == ["Bearer old", "Bearer old", "Bearer new"]

    async def test_a_token_that_cannot_be_renewed_is_refused(self) -> None:
        answers = Answers(problem(401, "expired_token"))
        with pytest.raises(UnauthenticatedError):
            await client_of(answers, token="old").conversations.list()
        assert len(answers.requests) == 1


TURN = {
    "id": "t",
    "conversation_id": "c",
    "model": "m",
    "user_message_id": "u",
    "reply_message_id": "r",
    "message": None,
    "usage": None,
    "cost": None,
    "attempts": [],
    "error": None,
    "created_at": "2026-11-22T08:00:00Z",
    "finished_at": None,
}


def stream_of(*events: tuple[str, dict[str, object]]) -> httpx2.Response:
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    return httpx2.Response(200, content=text.encode(), headers={"content-type": "text/event-stream"})


def turn(attempt: int, state: str = "running") -> dict[str, object]:
    return {**TURN, "attempt": attempt, "state": state}


def delta(text: str, offset: int) -> tuple[str, dict[str, object]]:
    return "reply.delta", {"text": text, "offset": offset}


class TestFollowing:
    async def test_a_reply_that_begins_anew_is_told_once(self) -> None:
        answers = Answers(
            stream_of(("turn.started", turn(1)), delta("old", 3)),
            stream_of(("turn.started", turn(2)), ("turn.restarted", turn(2)), delta("ne", 2)),
            stream_of(
                ("turn.started", turn(2)),
                ("turn.restarted", turn(2)),
                delta("new", 3),
                ("turn.completed", turn(2, "completed")),
            ),
        )
        events = [event async for event in client_of(answers).turns.stream("c", "Hello")]
        assert [event.text if isinstance(event, ReplyDelta) else type(event) for event in events[1:]] == [
            "old",
            TurnRestarted,
            "ne",
            "w",
            TurnEnded,
        ]
        assert [request.url.query for request in answers.requests] == [b"", b"after=3", b"after=2"]

    async def test_calls_of_tools_are_told_and_offsets_go_on_after_them(self) -> None:
        begun = {"offset": 12, "index": 0, "call_id": "c1", "name": "weather"}
        answers = Answers(
            stream_of(("turn.started", turn(1)), delta("ab", 2), ("reply.tool_call", begun)),
            stream_of(
                ("turn.started", turn(1)),
                ("reply.tool_call_delta", {"offset": 14, "index": 0, "text": "{}"}),
                delta("c", 20),
                ("turn.completed", turn(1, "completed")),
            ),
        )
        events = [event async for event in client_of(answers).turns.stream("c", "Hello")]
        assert events[1:-1] == [
            ReplyDelta(text="ab", offset=2),
            ToolCallBegun(**begun),
            ToolCallDelta(offset=14, index=0, text="{}"),
            ReplyDelta(text="c", offset=20),
        ]
        assert [request.url.query for request in answers.requests] == [b"", b"after=12"]

    async def test_an_error_in_the_stream_is_raised(self) -> None:
        gone = json.loads(document(404, code="conversation_not_found", detail="Gone."))
        answers = Answers(stream_of(("turn.started", turn(1)), ("error", gone)))
        with pytest.raises(ClientError) as refused:
            [event async for event in client_of(answers).turns.stream("c", "Hello")]
        assert refused.value.code == "conversation_not_found"

    async def test_an_event_that_nobody_knows_is_passed_over(self) -> None:
        answers = Answers(
            stream_of(("turn.started", turn(1)), ("turn.dreamt", {}), ("turn.completed", turn(1, "completed")))
        )
        assert (await client_of(answers).turns.say("c", "Hello")).state == "completed"

    async def test_what_is_no_event_of_ours_is_a_broken_answer(self) -> None:
        answers = Answers(stream_of(("turn.started", {"id": 1})))
        with pytest.raises(BrokenAnswerError):
            await client_of(answers).turns.say("c", "Hello")
