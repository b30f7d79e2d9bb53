"""What was promised, compared with what is there: no I/O."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaos.options import TOTAL_SECONDS
from chaos.said import FINAL_STATES, Said


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTurn:
    """A turn as it is served when everything is at rest."""

    detail: dict[str, Any]
    """As `GET …/turns/{id}` answers."""
    replays: Mapping[int, str]
    """Its stream's text from some offsets on."""

    @property
    def text(self) -> str:
        """The reply."""
        message = self.detail["message"]
        return str(message["content"]) if message else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is there when everything is at rest."""

    messages: Mapping[str, Sequence[dict[str, Any]]]
    """By conversation, in order."""
    turns: Mapping[str, KeptTurn]
    """By id; one that is missing was not found."""
    leftovers: Mapping[str, int]
    """Rows that should not be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A promise that was not kept."""

    promise: str
    """`lost`, `duplicated`, `stuck`, `differs`, `gaps` or `left`."""
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Knows what may be expected."""

    is_idempotent: bool
    recovery_limit_seconds: float
    deaths: Sequence[Sequence[float]]
    """By seat: when its processes ended."""
    ups: Sequence[tuple[float, float]]
    """From when to when some server answered: without any, no turn can be recovered. May overlap, in any order."""

    def findings(self, all_said: Sequence[Said], kept: Kept) -> Sequence[Finding]:
        """Every promise that was not kept."""
        return [
            *self._about_conversations(all_said, kept),
            *(finding for said in all_said for finding in self._about_turn(said, kept)),
            *(Finding(promise="left", told=f"{what}: {count}") for what, count in kept.leftovers.items() if count),
        ]

    def recovery_seconds(self, all_said: Sequence[Said], kept: Kept) -> Sequence[float]:
        """From the death of the process that answered a turn to the turn's end; one entry a turn that outlived it."""
        found = [(said, kept.turns[said.turn_id]) for said in all_said if said.turn_id and said.turn_id in kept.turns]
        return [
            _finished(turn) - death
            for said, turn in found
            if turn.detail["state"] in FINAL_STATES and (death := self._death_during(said, turn)) is not None
        ]

    def _about_conversations(self, all_said: Sequence[Said], kept: Kept) -> Iterator[Finding]:
        questions: Counter[str] = Counter()
        for conversation_id, messages in kept.messages.items():
            numbers = [message["sequence_number"] for message in messages]
            if numbers != list(range(1, len(numbers) + 1)):
                yield Finding(promise="gaps", told=f"conversation {conversation_id}: {numbers}")
            questions.update(message["content"] for message in messages if message["role"] == "user")
            replies = Counter(message["turn_id"] for message in messages if message["role"] == "assistant")
            for turn_id, count in replies.items():
                if count > 1:
                    yield Finding(promise="duplicated", told=f"turn {turn_id} has {count} replies")
        for said in all_said:
            yield from self._about_question(said, questions[said.content])

    def _about_question(self, said: Said, count: int) -> Iterator[Finding]:
        if said.is_acknowledged and count == 0:
            yield Finding(promise="lost", told=f"{said.content} was acknowledged as {said.turn_id} and is not stored")
        # Without keys, a client that heard no answer cannot know; what it sent twice may be there twice.
        if count > (1 if self.is_idempotent else said.sends):
            yield Finding(promise="duplicated", told=f"{said.content}: sent {said.sends} times, stored {count} times")

    def _about_turn(self, said: Said, kept: Kept) -> Iterator[Finding]:
        for complaint in said.complaints:
            yield Finding(promise="differs", told=f"{said.content}, turn {said.turn_id}: {complaint}")
        if said.turn_id is None:
            return
        turn = kept.turns.get(said.turn_id)
        if turn is None:
            yield Finding(promise="lost", told=f"turn {said.turn_id} was acknowledged and is not found")
        elif turn.detail["state"] not in FINAL_STATES:
            yield Finding(promise="stuck", told=f"turn {said.turn_id} is still {turn.detail['state']}")
        else:
            yield from self._about_end(said, turn)

    def _about_end(self, said: Said, turn: KeptTurn) -> Iterator[Finding]:
        state, stored = turn.detail["state"], turn.text
        if said.state is None:
            yield Finding(promise="stuck", told=f"turn {said.turn_id} is {state}, but its reader never heard so")
        elif said.state != state:
            yield Finding(promise="differs", told=f"turn {said.turn_id}: heard {said.state}, is {state}")
        if said.text != (stored if said.state is not None else stored[: len(said.text)]):
            yield Finding(promise="differs", told=_differ(said, "heard", said.text, stored))
        for offset, text in turn.replays.items():
            if text != stored[offset:]:
                yield Finding(promise="differs", told=_differ(said, f"from {offset}", text, stored[offset:]))
        yield from self._about_time(said, turn)

    def _about_time(self, said: Said, turn: KeptTurn) -> Iterator[Finding]:
        death = self._death_during(said, turn)
        since = _created(turn) if death is None else death
        limit = self.recovery_limit_seconds + (TOTAL_SECONDS if death is None else 0)
        took = covered_seconds(self.ups, since, _finished(turn))
        if took > limit:
            begin = "its beginning" if death is None else "the death of its process"
            told = (
                f"turn {said.turn_id} ended {_finished(turn) - since:.1f} s after {begin}, {took:.1f} s with a server"
            )
            yield Finding(promise="stuck", told=told)

    def _death_during(self, said: Said, turn: KeptTurn) -> float | None:
        """When the process died that answered it; `None` where it did not, or where we cannot know which it was."""
        if said.seat is None or said.sends != 1:
            return None
        created, finished = _created(turn), _finished(turn)
        return next((death for death in self.deaths[said.seat] if created < death < finished), None)


def covered_seconds(spans: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """How much of the time from `begin` to `end` lies in at least one of `spans`."""
    covered, reached = 0.0, begin
    for start, stop in sorted(spans):
        start, stop = max(start, reached), min(stop, end)
        if stop > start:
            covered, reached = covered + stop - start, stop
    return covered


def _differ(said: Said, how: str, heard: str, stored: str) -> str:
    return f"turn {said.turn_id}, {how}: {len(heard)} …{heard[-50:]!r}; stored: {len(stored)} …{stored[-50:]!r}"


def _created(turn: KeptTurn) -> float:
    return datetime.fromisoformat(turn.detail["created_at"]).timestamp()


def _finished(turn: KeptTurn) -> float:
    return datetime.fromisoformat(turn.detail["finished_at"]).timestamp()
