"""What is noted of turns, for those who watch the service: once, when one has ended."""

from typing import Final

from conversation_engine.infra.observability.catalogue import (
    FALLBACK_REPLIES,
    GROUNDED_REPLIES,
    RECOVERIES,
    TURN_FAILURES,
    TURN_FIRST_TOKEN,
    TURN_SECONDS,
    TURNS,
)
from conversation_engine.infra.observability.recording import OTHER, Recorder
from conversation_engine.infra.observability.tracing import CONVERSATION_ID, NO_SPAN, NO_TRACES, TURN_ID, Span, Tracer
from conversation_engine.turns.evidence import Evidence, citations
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.types import Turn, TurnDetail

PASSING: Final = "passing"
"""In place of a conversation's type, for turns that nobody keeps."""


class TurnMeter:
    """Notes how turns end, and the steps on their way."""

    def __init__(self, recorder: Recorder, tracer: Tracer = NO_TRACES) -> None:
        self._recorder = recorder
        self._tracer = tracer

    def step(self, name: str) -> Span:
        """A step is about to be taken."""
        return self._tracer.span(name)

    def span_of(self, turn: Turn) -> Span:
        """A turn is about to run."""
        span = self._tracer.span("turn")
        self.note_whose(span, turn)
        return span

    def note_whose(self, span: Span, turn: Turn) -> None:
        """This is a part of that turn."""
        if self._tracer.is_on:
            span.tell({CONVERSATION_ID: turn.conversation_id, TURN_ID: turn.id, "convo.turn.state": turn.state.value})

    def note_end(self, run: TurnRun, detail: TurnDetail, span: Span = NO_SPAN) -> None:
        """A turn that ran here was recorded."""
        self._note(detail, run.conversation.type)
        if self._tracer.is_on:
            span.tell({"convo.turn.state": detail.turn.state.value, "convo.turn.is_fallback": run.is_fallback or None})
            if detail.turn.error is not None:
                span.fail(detail.turn.error.code)
        if run.is_fallback:
            self._recorder.add(FALLBACK_REPLIES)
        if run.evidence is not None:
            self._recorder.add(GROUNDED_REPLIES, _grounds(run.evidence, run))

    def note_passing(self, detail: TurnDetail) -> None:
        """A turn without a conversation is over."""
        self._note(detail, PASSING)

    def note_never_begun(self, turn: Turn) -> None:
        """A turn has left the line."""
        self._note(TurnDetail(turn=turn, reply=None, attempts=()), OTHER)

    def note_recovered(self, detail: TurnDetail) -> None:
        """A turn of a process that died was ended here."""
        self._recorder.add(RECOVERIES, "ended")
        self._note(detail, OTHER)

    def note_restarted(self) -> None:
        """A turn of a process that died is begun anew here."""
        self._recorder.add(RECOVERIES, "restarted")

    def note_not_recovered(self) -> None:
        """A turn of a process that died could not even be ended; it is tried again."""
        self._recorder.add(RECOVERIES, "failed")

    def _note(self, detail: TurnDetail, kind: str) -> None:
        recorder, turn = self._recorder, detail.turn
        outcome = turn.state.value
        recorder.add(TURNS, outcome, kind)
        if turn.error is not None:
            recorder.add(TURN_FAILURES, turn.error.code)
        if turn.finished_at is not None:
            recorder.observe(TURN_SECONDS, max(0.0, (turn.finished_at - turn.created_at).total_seconds()), outcome)
        first = _first_token_seconds(detail)
        if first is not None:
            recorder.observe(TURN_FIRST_TOKEN, first)


def _first_token_seconds(detail: TurnDetail) -> float | None:
    for attempt in detail.attempts:
        if attempt.first_token_ms is not None:
            waited = (attempt.created_at - detail.turn.created_at).total_seconds()
            return max(0.0, waited) + attempt.first_token_ms / 1000
    return None


def _grounds(evidence: Evidence, run: TurnRun) -> str:
    if evidence.is_absent:
        return "absent"
    if run.error is not None or run.is_fallback or run.live.length == 0:
        return "failed"
    cited, unknown = citations(run.live.text(), count=len(evidence.shown))
    if unknown:
        return "invented"
    return "cited" if cited else "uncited"
