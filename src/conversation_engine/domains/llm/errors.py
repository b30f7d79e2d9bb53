"""What a model service can do to a call, in our words.

ModelError
├── ModelRateLimitedError · OverloadedError · AuthenticationError · PermissionDeniedError · ModelNotFoundError
├── ContextTooLongError · BadModelRequestError · ContentFilteredError
├── ModelTimeoutError (phase: connect, first_token, between_tokens, total, upstream) · ModelUnreachableError
├── StreamCutError · MalformedStreamError · ErrorInStreamError
├── CallCancelledError                    we ended it
├── ProcessLostError                      its process ended before it did
└── CircuitOpenError · ModelBusyError     we did not even try

`cause` is for operators (the log and the `llm_requests` row); `detail` is what a user may read.
"""

from typing import ClassVar

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class ModelError(EngineError):
    """A call to a model failed."""

    code = "model_failed"
    kind = Kind.UPSTREAM
    sentence: ClassVar[str] = "The model could not answer. Please try again."
    is_transient: ClassVar[bool] = False
    """Whether the same call may succeed a little later."""
    is_service_fault: ClassVar[bool] = False
    """Whether it speaks against the service, or the way to it, rather than against the request or our account."""
    may_others_answer: ClassVar[bool] = True
    """Whether another model may do better; not where the request itself is what is wrong."""

    def __init__(self, cause: str = "", *, retry_after_seconds: float | None = None) -> None:
        facts = {} if retry_after_seconds is None else {"retry_after": retry_after_seconds}
        super().__init__(self.sentence, **facts)
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds


class ModelRateLimitedError(ModelError):
    """The service limits how much we may ask (429)."""

    code = "model_rate_limited"
    sentence = "The model service is taking no more requests for the moment. Please try again shortly."
    is_transient = True


class OverloadedError(ModelError):
    """The service is overloaded or broken for now (500, 502, 503, 529)."""

    code = "model_overloaded"
    sentence = "The model service is overloaded. Please try again shortly."
    is_transient = True
    is_service_fault = True


class AuthenticationError(ModelError):
    """The service does not accept our key (401)."""

    code = "model_authentication"
    sentence = "The model service refused our credentials. Please tell the operator."


class PermissionDeniedError(ModelError):
    """Our key may not use this model (403)."""

    code = "model_permission"
    sentence = "This model is not open to us. Please tell the operator, or choose another model."


class ModelNotFoundError(ModelError):
    """The service has no such model (404)."""

    code = "model_not_found"
    sentence = "There is no such model at the model service. Choose another model."


class ContextTooLongError(ModelError):
    """The prompt is longer than the model can read."""

    code = "context_too_long"
    sentence = "The conversation is longer than this model can read. Shorten the message, or start a new conversation."


class BadModelRequestError(ModelError):
    """The service refused the request as such (400, 422)."""

    code = "model_bad_request"
    sentence = "The model service did not understand the request. Check the parameters of this turn."
    may_others_answer = False


class ContentFilteredError(ModelError):
    """The service's content filter stopped the call."""

    code = "content_filtered"
    sentence = "The model service declined to answer this. Rephrase the message."
    may_others_answer = False


class ModelTimeoutError(ModelError):
    """The service was too slow; `phase` says in which part of the call."""

    code = "model_timeout"
    sentence = "The model took too long. Please try again."
    is_transient = True
    is_service_fault = True

    def __init__(self, phase: str, cause: str = "") -> None:
        super().__init__(cause or f"timed out: {phase}")
        self.phase = phase


class ModelUnreachableError(ModelError):
    """No connection to the service."""

    code = "model_unreachable"
    sentence = "The model service cannot be reached. Please try again shortly."
    is_transient = True
    is_service_fault = True


class StreamCutError(ModelError):
    """The connection ended before the reply did."""

    code = "stream_cut"
    sentence = "The model broke off in the middle of its reply. What it said so far is kept."
    is_transient = True
    is_service_fault = True


class MalformedStreamError(ModelError):
    """The service sent something that is not its protocol."""

    code = "malformed_stream"
    sentence = "The model service sent something that cannot be read. What it said so far is kept."
    is_transient = True
    is_service_fault = True


class ErrorInStreamError(ModelError):
    """The service reported a failure inside the stream."""

    code = "error_in_stream"
    sentence = "The model service failed in the middle of its reply. What it said so far is kept."
    is_transient = True
    is_service_fault = True


class CallCancelledError(ModelError):
    """We ended the call because its turn was stopped."""

    code = "model_call_cancelled"
    kind = Kind.CANCELLED
    sentence = "The reply was stopped. What was said so far is kept."
    may_others_answer = False


class ProcessLostError(ModelError):
    """The process that made the call ended before the call did, so nobody heard what it came to."""

    code = "model_process_lost"
    kind = Kind.INTERNAL
    sentence = "The server stopped while the model was answering. What was said so far is kept."


class CircuitOpenError(ModelError):
    """The model failed so often just now that it is left alone for a while; no call was made."""

    code = "model_circuit_open"
    kind = Kind.UNAVAILABLE
    sentence = "The model is having trouble and is given a moment to recover. Please try again shortly."


class ModelBusyError(ModelError):
    """As many calls as we allow are running at this provider, and the wait became too long; no call was made."""

    code = "model_busy"
    kind = Kind.UNAVAILABLE
    sentence = "The model is busy with other conversations. Please try again shortly."


class UnknownModelError(EngineError):
    """Nobody configured a model of this name."""

    code = "unknown_model"
    kind = Kind.INVALID

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__(
            f"There is no model {model!r} here. Configured: {', '.join(known)}.",
            model=model[:255],
            known=known,
        )


class ModelCannotError(EngineError):
    """The model is known not to do what was asked for."""

    code = "model_cannot"
    kind = Kind.INVALID

    def __init__(self, model: str, field: str) -> None:
        super().__init__(
            f"{model} does not take `{field}`. Leave it out, or choose a model that does: `GET /models` lists what "
            "each can do.",
            model=model[:255],
            field=field,
        )
        self.model, self.field = model, field


class BadModelSettingError(InvalidInputError):
    """A setting names a model of a service that nobody configured."""

    code = "bad_model_setting"

    def __init__(self, setting: str, model: str, known: list[str]) -> None:
        service = model.partition("/")[0]
        super().__init__(
            f"{setting} is {model!r}, and there is no model service of that name here. Configured: {', '.join(known)}. "
            f"Name a model of one of these, or tell where the service is: CE_PROVIDERS__{service.upper()}__BASE_URL "
            "(docs/models.md).",
            field=setting.removeprefix("CE_").lower(),
        )
