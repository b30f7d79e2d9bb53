"""What is noted of model calls, for those who watch the service."""

from conversation_engine.domains.llm.errors import CircuitOpenError, ModelError
from conversation_engine.domains.llm.types import Attempt, ModelCard
from conversation_engine.infra.observability.catalogue import (
    CALL_REFUSALS,
    FALLBACKS,
    MODEL_CALLS,
    MODEL_COST,
    MODEL_FAILURES,
    MODEL_FIRST_TOKEN,
    MODEL_SECONDS,
    MODEL_TOKENS,
    RETRIES,
    UNPRICED_CALLS,
)
from conversation_engine.infra.observability.recording import Recorder


class CallMeter:
    """Notes each call once, when it has ended."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def note_call(self, card: ModelCard, attempt: Attempt) -> None:
        """A call was made."""
        recorder, model = self._recorder, card.name
        recorder.add(MODEL_CALLS, model, attempt.status.value)
        recorder.observe(MODEL_SECONDS, attempt.latency_ms / 1000, model)
        if attempt.first_token_ms is not None:
            recorder.observe(MODEL_FIRST_TOKEN, attempt.first_token_ms / 1000, model)
        if attempt.error_code is not None:
            recorder.add(MODEL_FAILURES, model, attempt.error_code)
        self._note_usage(model, attempt)

    def note_retry(self, card: ModelCard) -> None:
        """A call that failed is about to be made again."""
        self._recorder.add(RETRIES, card.name)

    def note_fallback(self, card: ModelCard) -> None:
        """This model is asked in another's place."""
        self._recorder.add(FALLBACKS, card.name)

    def note_refusal(self, card: ModelCard, error: ModelError) -> None:
        """A call was not made."""
        self._recorder.add(CALL_REFUSALS, card.name, "circuit_open" if isinstance(error, CircuitOpenError) else "busy")

    def _note_usage(self, model: str, attempt: Attempt) -> None:
        usage, recorder = attempt.usage, self._recorder
        if usage is None:
            return
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("cached", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if tokens:
                recorder.add(MODEL_TOKENS, model, kind, amount=tokens)
        if attempt.cost is None:
            recorder.add(UNPRICED_CALLS, model)
        elif attempt.cost:
            recorder.add(MODEL_COST, model, amount=float(attempt.cost))
