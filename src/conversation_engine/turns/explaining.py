"""CE_LOG_LEVEL=DEBUG: a turn explained step by step, in ids, codes and numbers; with CE_LOG_WORDS in words, too."""

import logging
from collections.abc import Sequence

from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.turns.evidence import Evidence
from conversation_engine.turns.run import TurnRun

_log = get_logger(__name__)


class TurnExplainer:
    """Logs what each step came to. Without DEBUG each call is one comparison."""

    def __init__(self, *, with_words: bool) -> None:
        """`with_words`: what people and models said as well, for development."""
        self._with_words = with_words

    def begun(self, run: TurnRun) -> None:
        """It is about to be looked up and assembled."""
        if not self._is_on:
            return
        asked = run.newest[0].content if run.newest else None
        _log.debug(
            "turn.begun",
            **_whose(run),
            model=run.card.name,
            attempt=run.turn.attempt,
            messages_at_hand=len(run.newest),
            words=self._words(asked),
        )

    def briefed(self, run: TurnRun) -> None:
        """It is known what the model will be shown."""
        if not self._is_on:
            return
        if run.evidence is not None:
            self._searched(run, run.evidence)
        if run.window is not None:
            window = run.window
            _log.debug(
                "window.assembled",
                **_whose(run),
                strategy=window.manifest.get("strategy"),
                messages=len(window.messages),
                input_tokens=window.input_tokens,
                context_tokens=run.card.context_tokens,
                begins_with=window.start,
                stable_messages=window.stable_messages,
                words=self._words("\n".join(f"{one.role}: {one.text}" for one in window.messages)),
            )

    def called(self, run: TurnRun, attempts: Sequence[Attempt]) -> None:
        """The model was asked, once or more often."""
        if not self._is_on:
            return
        for one in attempts:
            usage = one.usage
            _log.debug(
                "model.called",
                **_whose(run),
                model=f"{one.provider}/{one.model}",
                attempt=one.attempt,
                status=one.status.value,
                latency_ms=one.latency_ms,
                first_token_ms=one.first_token_ms,
                input_tokens=usage.input_tokens if usage else None,
                cached_tokens=usage.cached_tokens if usage else None,
                output_tokens=usage.output_tokens if usage else None,
                finish_reason=one.finish_reason,
                error=one.error_code,
            )
        _log.debug(
            "reply.heard",
            **_whose(run),
            characters=run.live.length,
            words=self._words(run.live.text()),
        )

    def _searched(self, run: TurnRun, evidence: Evidence) -> None:
        outcome = evidence.outcome
        _log.debug(
            "documents.searched",
            **_whose(run),
            strategy=outcome.strategy.value,
            hits=len(outcome.hits),
            shown=len(evidence.shown),
            tokens=evidence.tokens,
            is_relevant=outcome.is_relevant,
            best_cosine=outcome.best_cosine,
            milliseconds=", ".join(f"{name} {took:g}" for name, took in evidence.milliseconds.items()),
            words=self._words(evidence.question),
        )

    @property
    def _is_on(self) -> bool:
        return bool(_log.isEnabledFor(logging.DEBUG))

    def _words(self, said: object) -> str | None:
        return str(said) if self._with_words else None


def _whose(run: TurnRun) -> dict[str, str]:
    return {"turn_id": run.turn.id, "conversation_id": run.turn.conversation_id}
