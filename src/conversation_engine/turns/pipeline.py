"""The order of the steps, and what happens when one fails."""

import asyncio
from collections.abc import Callable

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.llm.errors import ContextTooLongError, ModelError
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.tracing import Span
from conversation_engine.kernel.errors import EngineError, InternalError
from conversation_engine.turns.briefing import Briefing
from conversation_engine.turns.evidence import NOT_IN_THE_DOCUMENTS, findings
from conversation_engine.turns.explaining import TurnExplainer
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.spending import TurnSpending
from conversation_engine.turns.steps.generate import GenerateStep
from conversation_engine.turns.steps.record import Ending, Recorded, RecordStep
from conversation_engine.turns.types import Lease, TurnDetail, TurnEnded, TurnError

RECORD_RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)
"""Waits between tries to record when the store is away; after the last, recovery ends the turn."""

_log = get_logger(__name__)


class TurnPipeline:
    """Takes an admitted turn to its end. Never raises: whatever happens is recorded."""

    def __init__(
        self,
        database: Database,
        *,
        brief: Briefing,
        generate: GenerateStep,
        record: RecordStep,
        reply_log: ReplyLog,
        spending: TurnSpending,
        fallback_reply_for: Callable[[str], str],
        title_for: Callable[[TurnRun], str | None],
        meter: TurnMeter,
        explainer: TurnExplainer,
    ) -> None:
        self._explainer = explainer
        self._database = database
        self._spending = spending
        self._fallback_reply_for = fallback_reply_for
        self._title_for = title_for
        self._meter = meter
        self._brief = brief
        self._generate = generate
        self._record = record
        self._reply_log = reply_log

    async def __call__(self, run: TurnRun, *, holder: str, lease: Callable[[], Lease | None]) -> TurnRun | None:
        """retrieve → assemble → generate → record, then tell the watchers.

        Returns the turn that was next in line: it started in the same transaction, under `lease()`.
        """
        with self._meter.span_of(run.turn) as span:
            await self._answer(run)
            crash_point("generate.after_last_word")
            return await self._end(run, span, holder=holder, lease=lease)

    async def _answer(self, run: TurnRun) -> None:
        self._explainer.begun(run)
        try:
            window = await self._brief(run)
            self._explainer.briefed(run)
            if window is None:
                self._say_so(run)
            else:
                await self._cover(run, window)
                await self._said(run)
            if run.is_prompt_too_long:
                await self._brief.assembled(run)
                self._explainer.briefed(run)
                await self._said(run)
        except EngineError as error:
            run.error = error
        except Exception:  # noqa: BLE001 - a defect of ours must end the turn, not leave it running
            _log.exception("turn.crashed", turn_id=run.turn.id)
            run.error = InternalError()

    async def _said(self, run: TurnRun) -> None:
        before = len(run.attempts)
        with self._meter.step("turn.generate"):
            await self._generate(run)
        self._explainer.called(run, run.attempts[before:])

    async def _end(self, run: TurnRun, span: Span, *, holder: str, lease: Callable[[], Lease | None]) -> TurnRun | None:
        await self._reply_log.settle(run.live)
        self._stand_in(run)
        with self._meter.step("turn.record"):
            recorded = await self._recorded(_ending(run, holder=holder, title=self._title(run)), lease)
        if recorded is None:
            run.live.abandon()
            _log.warning("turn.lost", turn_id=run.turn.id)
            return None
        crash_point("record.after_commit")
        run.live.end(TurnEnded(detail=recorded.detail, offset=run.live.length))
        _log_end(run, recorded.detail)
        self._meter.note_end(run, recorded.detail, span)
        return recorded.successor

    def _say_so(self, run: TurnRun) -> None:
        """The documents do not hold the answer; a model that is asked all the same makes one up."""
        run.live.append(NOT_IN_THE_DOCUMENTS)
        self._reply_log.note(run.live)

    async def _cover(self, run: TurnRun, window: Window) -> None:
        """A window may hold more than was said before; budgets have to cover that too. No statement if it does not."""
        if run.promised_input_tokens is not None and window.input_tokens > run.promised_input_tokens:
            await self._database.write(
                lambda tx: self._spending.cover_window(tx, run, input_tokens=window.input_tokens)
            )

    def _stand_in(self, run: TurnRun) -> None:
        """Say something ourselves where no model has said anything, and nothing about the request is to blame."""
        text = self._fallback_reply_for(run.conversation.type)
        if text and run.live.length == 0 and run.stop_as is None and _is_outage(run.error):
            run.live.append(text)
            run.is_fallback = True

    def _title(self, run: TurnRun) -> str | None:
        try:
            return self._title_for(run)
        except Exception as error:  # noqa: BLE001 - a reply is not lost for want of a title
            _log.warning("title.not_found", turn_id=run.turn.id, error=type(error).__name__)
            return None

    async def _recorded(self, ending: Ending, lease: Callable[[], Lease | None]) -> Recorded | None:
        for wait in (*RECORD_RETRY_SECONDS, None):
            try:
                return await self._record(ending, lease=lease())
            except Exception as error:  # noqa: BLE001 - whatever the store says, the reply must be kept
                _log.exception("turn.record_failed", turn_id=ending.turn.id, error=type(error).__name__)
                if wait is None:
                    return None
                await asyncio.sleep(wait)
        return None


def _ending(run: TurnRun, *, holder: str, title: str | None) -> Ending:
    error = run.error
    return Ending(
        turn=run.turn,
        state=run.outcome(),
        text=run.live.text(),
        attempts=tuple(run.attempts[run.kept_attempts :]),
        error=None if error is None else TurnError(code=error.code, detail=error.detail),
        manifest=None if run.window is None else run.window.manifest,
        window_start=None if run.window is None else run.window.start,
        is_checkpointed=run.live.is_checkpointed,
        is_fallback=run.is_fallback,
        holder=holder,
        title=title,
        is_promised=run.is_promised,
        findings={} if run.evidence is None else findings(run.evidence, run.live.text()),
    )


def _is_outage(error: EngineError | None) -> bool:
    """Whether the user can do nothing about it but come back later."""
    if isinstance(error, ModelError):
        return error.may_others_answer and not isinstance(error, ContextTooLongError)
    return isinstance(error, InternalError)


def _log_end(run: TurnRun, detail: TurnDetail) -> None:
    cause = run.error.cause if isinstance(run.error, ModelError) else None
    _log.info(
        "turn.recorded",
        turn_id=run.turn.id,
        conversation_id=run.turn.conversation_id,
        state=detail.turn.state.value,
        model=run.turn.model,
        error=detail.turn.error.code if detail.turn.error else None,
        cause=cause,
        is_fallback=run.is_fallback or None,
    )
