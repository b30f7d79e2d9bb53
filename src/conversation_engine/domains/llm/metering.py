"""What is noted of model calls, for those who watch the service."""

from conversation_engine.domains.llm.calling import ModelCall, Outcome
from conversation_engine.domains.llm.errors import CircuitOpenError, ModelError
from conversation_engine.domains.llm.types import NO_CONVERSATION, Attempt, ModelCard
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
from conversation_engine.infra.observability.tracing import CONVERSATION_ID, NO_SPAN, NO_TRACES, TURN_ID, Span, Tracer


class CallMeter:
    """Notes each call once, when it has ended."""

    def __init__(self, recorder: Recorder, tracer: Tracer = NO_TRACES) -> None:
        self._recorder = recorder
        self._tracer = tracer

    def span_of(self, call: ModelCall) -> Span:
        """A call is about to be made."""
        if not self._tracer.is_on:
            return NO_SPAN
        card, sampling = call.card, call.sampling
        return self._tracer.span(
            f"chat {card.provider_model}",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": card.provider,
                "gen_ai.system": card.provider,  # what the one above was called until 2025
                "gen_ai.request.model": card.provider_model,
                "gen_ai.request.stream": True,
                "gen_ai.request.max_tokens": sampling.reply_limit_tokens,
                "gen_ai.request.temperature": sampling.temperature,
                "gen_ai.request.top_p": sampling.top_p,
                "gen_ai.request.seed": sampling.seed,
                CONVERSATION_ID: None if call.conversation_id == NO_CONVERSATION else call.conversation_id,
                TURN_ID: call.turn_id,
                "convo.attempt": call.attempt,
            },
            kind="call",
        )

    def end_span(self, span: Span, outcome: Outcome) -> None:
        """How it went; nothing of what was said."""
        if not self._tracer.is_on:
            return
        attempt = outcome.attempt
        usage, first = attempt.usage, attempt.first_token_ms
        span.tell(
            {
                "gen_ai.response.finish_reasons": None if attempt.finish_reason is None else [attempt.finish_reason],
                "gen_ai.response.time_to_first_chunk": None if first is None else first / 1000,
                "convo.call.status": attempt.status.value,
            }
        )
        if usage is not None:
            span.tell(
                {
                    "gen_ai.usage.input_tokens": usage.input_tokens,
                    "gen_ai.usage.output_tokens": usage.output_tokens,
                    "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
                    "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens or None,
                    "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
                    "convo.usage.source": usage.source.value,
                }
            )
        if attempt.error_code is not None:
            span.fail(attempt.error_code)

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
