"""A reply as pages see it: word by word, from anywhere, through lost connections."""

import asyncio
from itertools import pairwise

import pytest

from conversation_engine.client import NotFoundError, Patience
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.entrypoints.ui.api import Api, ApiError, SignedOutError
from conversation_engine.entrypoints.ui.replies import Reply, follow
from conversation_engine.testing import Fail, Pause, Say
from tests.ui.conftest import House

STORY = ("Once ", "upon ", "a time ", "there was ", "a boat. 🛶")


def asked(house: House, api: Api, *script: Say | Pause | Fail) -> tuple[str, str]:
    """A conversation in which a turn has begun: their ids."""
    house.model.then(*script)
    conversation = api.post("/conversations", {})
    turn_id = api.begin(f"/conversations/{conversation['id']}/turns", {"content": "Tell me a story."})
    return conversation["id"], turn_id


def told_slowly() -> list[Say | Pause | Fail]:
    return [line for word in STORY for line in (Say(word), Pause(0.08))]


class TestBegin:
    def test_what_was_said_is_stored_when_it_returns(self, house: House, ada: Api) -> None:
        conversation_id, _ = asked(house, ada, *told_slowly())
        [said] = ada.get(f"/conversations/{conversation_id}/messages")["items"]
        assert said["content"] == "Tell me a story."

    def test_the_same_key_says_it_once(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        path = f"/conversations/{conversation['id']}/turns"
        first = ada.begin(path, {"content": "Hello."}, key="one")
        assert ada.begin(path, {"content": "Hello."}, key="one") == first

    def test_a_refusal_is_a_sentence(self, ada: Api) -> None:
        with pytest.raises(NotFoundError) as refused:
            ada.begin("/conversations/01890a5d-ac96-774b-bcce-b302099a8057/turns", {"content": "Hello."})
        assert (refused.value.status, refused.value.code) == (404, "conversation_not_found")


class TestFollow:
    def test_words_come_as_they_are_said(self, house: House, ada: Api) -> None:
        replies = list(follow(ada, *asked(house, ada, *told_slowly())))
        texts = [reply.text for reply in replies]
        assert len(set(texts)) > 3
        assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
        assert texts[-1] == "".join(STORY)
        assert replies[-1].turn is not None
        assert replies[-1].turn.state == "completed"

    def test_what_looks_like_the_end_of_a_line_is_part_of_a_word(self, house: House, ada: Api) -> None:
        odd = "one\u2028two\u2029three\x85four\x0b\x1cfive"
        replies = list(follow(ada, *asked(house, ada, Say(odd))))
        assert replies[-1].text == odd

    def test_who_comes_later_sees_all_of_it(self, house: House, ada: Api) -> None:
        place = asked(house, ada, *told_slowly())
        whole = [*follow(ada, *place)][-1].text
        assert next(reply.text for reply in follow(ada, *place) if reply.text) == whole

    def test_it_yields_while_nothing_is_said(self, house: House, ada: Api) -> None:
        replies = list(follow(ada, *asked(house, ada, Pause(0.5), Say("At last."))))
        assert sum(reply.text == "" for reply in replies) > 3, "a page could not be stopped meanwhile"

    def test_who_looks_away_hangs_up(self, house: House, ada: Api) -> None:
        looking = follow(ada, *asked(house, ada, Say("Once "), Pause(1.0), Say("more.")))
        assert next(looking)
        assert busy_with(house) > 0
        looking.close()  # type: ignore[attr-defined]
        assert busy_with(house) == 0

    def test_how_it_failed_is_told(self, house: House, ada: Api) -> None:
        error = OverloadedError()
        last: Reply = [*follow(ada, *asked(house, ada, Say("Well, "), Fail(error)))][-1]
        assert last.text == "Well, "
        assert last.turn is not None
        assert last.turn.state == "failed"


class TestApi:
    def test_an_old_access_token_is_renewed_unseen(self, house: House, ada: Api) -> None:
        connection = ada._client.requests._connection
        place = asked(house, ada, Say("Hello."))
        for _ in range(2):
            connection._given = "stale"
            assert ada.get("/auth/me")["role"] == "student"
        connection._given = "stale"
        assert [*follow(ada, *place)][-1].text == "Hello."

    def test_an_ended_sign_in_says_so(self, ada: Api) -> None:
        ada.post("/auth/logout")
        with pytest.raises(SignedOutError):
            ada.get("/auth/me")

    def test_no_answer_at_all_is_a_sentence(self, house: House) -> None:
        with pytest.raises(ApiError, match="does not answer"):
            Api(house.line, base_url="http://127.0.0.1:9", session="x", patience=Patience(tries=1)).get("/auth/me")


def busy_with(house: House) -> int:
    """Coroutines that listen for pages, but for this one."""

    async def count() -> int:
        await asyncio.sleep(0.05)
        return len(asyncio.all_tasks()) - 2

    return house.line.blocking.wait(count())
