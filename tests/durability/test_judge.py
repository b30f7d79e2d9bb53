"""The audit of a chaos run sees what it is there to see: an audit that finds nothing must be able to find."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from chaos.events import Event
from chaos.judge import Judge, Kept, KeptTurn, covered_seconds
from chaos.said import Said

STAMP = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(STAMP + seconds, UTC).isoformat()


def message(number: int, role: str, content: str) -> dict[str, Any]:
    return {"sequence_number": number, "role": role, "content": content, "turn_id": "t1"}


QUESTION = message(1, "user", "q1")
REPLY = message(2, "assistant", "so it is")


def detail(**changes: Any) -> dict[str, Any]:
    times = {"created_at": stamp(0), "finished_at": stamp(2)}
    return {"id": "t1", "state": "completed", "message": REPLY, **times, **changes}


def kept(
    messages: Sequence[dict[str, Any]] = (QUESTION, REPLY),
    *,
    replays: Mapping[int, str] | None = None,
    leftovers: int = 0,
    **changes: Any,
) -> Kept:
    turn = KeptTurn(detail=detail(**changes), replays=replays or {0: "so it is", 3: "it is"})
    return Kept(messages={"c1": messages}, turns={"t1": turn}, leftovers={"rows": leftovers})


def said(**changes: Any) -> Said:
    fields = {"sends": 1, "seat": 0, "turn_id": "t1", "text": "so it is", "state": "completed", **changes}
    return Said(conversation_id="c1", content="q1", **fields)


JUDGE = Judge(is_idempotent=True, recovery_limit_seconds=5.0, deaths=[[]], ups=[(STAMP, inf)])


def broken(one: Said, there: Kept, judge: Judge = JUDGE) -> list[str]:
    return [finding.promise for finding in judge.findings([one], there)]


class TestFindings:
    def test_nothing_is_found_where_everything_is_as_promised(self) -> None:
        assert broken(said(), kept()) == []

    def test_a_beginning_is_enough_for_a_reader_who_left_without_its_end(self) -> None:
        assert broken(said(text="so", state=None), kept()) == ["stuck"]

    @pytest.mark.parametrize(
        ("one", "there", "promise"),
        [
            (said(), kept([REPLY | {"sequence_number": 1}]), "lost"),
            (said(), Kept(messages={"c1": [QUESTION, REPLY]}, turns={}, leftovers={}), "lost"),
            (said(sends=2), kept([QUESTION, REPLY, message(3, "user", "q1")]), "duplicated"),
            (said(), kept([QUESTION, REPLY, message(3, "assistant", "so it is")]), "duplicated"),
            (said(), kept([QUESTION, REPLY | {"sequence_number": 3}]), "gaps"),
            (said(), kept(state="running"), "stuck"),
            (said(), kept(finished_at=stamp(60)), "stuck"),
            (said(text="so it was"), kept(), "differs"),
            (said(text="so"), kept(), "differs"),
            (said(state="interrupted"), kept(), "differs"),
            (said(complaints=["another turn answered"]), kept(), "differs"),
            (said(), kept(replays={3: "t is"}), "differs"),
            (said(), kept(leftovers=1), "left"),
        ],
    )
    def test_a_broken_promise_is_found(self, one: Said, there: Kept, promise: str) -> None:
        assert broken(one, there) == [promise]

    def test_a_question_that_was_never_acknowledged_may_be_missing(self) -> None:
        assert broken(said(turn_id=None, state=None, text=""), kept([])) == []

    def test_without_keys_what_was_sent_twice_may_be_there_twice(self) -> None:
        twice = kept([QUESTION, REPLY, message(3, "user", "q1")])
        assert broken(said(sends=2), twice, replace(JUDGE, is_idempotent=False)) == []


class TestRecoverySeconds:
    def test_it_counts_from_the_death_of_the_process_that_answered(self) -> None:
        judge = replace(JUDGE, deaths=[[STAMP - 1, STAMP + 0.5, STAMP + 3]])
        assert judge.recovery_seconds([said()], kept()) == [1.5]

    def test_a_turn_that_took_too_long_after_it_is_stuck(self) -> None:
        judge = replace(JUDGE, deaths=[[STAMP + 0.5]])
        assert broken(said(), kept(finished_at=stamp(6)), judge) == ["stuck"]

    def test_time_without_any_server_is_not_held_against_it(self) -> None:
        judge = replace(JUDGE, deaths=[[STAMP + 0.5]], ups=[(STAMP + 4, inf)])
        assert broken(said(), kept(finished_at=stamp(8)), judge) == []


class TestCoveredSeconds:
    @pytest.mark.parametrize(
        ("spans", "seconds"),
        [
            ([], 0),
            ([(0, inf)], 10),
            ([(12, 14)], 2),
            ([(5, 12), (18, 30)], 4),
            ([(14, 18), (12, 16), (13, 15)], 6),
        ],
    )
    def test_overlaps_count_once(self, spans: list[tuple[float, float]], seconds: float) -> None:
        assert covered_seconds(spans, 10, 20) == seconds


class TestSaid:
    def event(self, name: str, *, offset: int, **data: Any) -> Event:
        return Event(name=name, data={"offset": offset, **data}, offset=offset)

    def test_a_whole_stream_leaves_no_complaint(self) -> None:
        one = Said(conversation_id="c1", content="q1")
        one.hear(self.event("turn.started", offset=0, id="t1"))
        one.hear(self.event("reply.delta", offset=2, text="so"))
        one.hear(self.event("turn.completed", offset=2, state="completed", message={"content": "so"}))
        assert (one.turn_id, one.text, one.state, one.complaints) == ("t1", "so", "completed", [])

    def test_what_contradicts_what_was_heard_is_a_complaint(self) -> None:
        one = Said(conversation_id="c1", content="q1", turn_id="t1", text="so")
        one.hear(self.event("turn.started", offset=0, id="t2"))
        one.hear(self.event("reply.delta", offset=5, text="it"))
        one.hear(self.event("turn.completed", offset=2, state="completed", message={"content": "no"}))
        assert len(one.complaints) == 4

    def test_a_new_attempt_takes_back_the_text(self) -> None:
        one = Said(conversation_id="c1", content="q1", turn_id="t1", text="so")
        one.hear(self.event("turn.restarted", offset=0))
        one.hear(self.event("reply.delta", offset=2, text="no"))
        assert (one.text, one.complaints) == ("no", [])
