"""Why a request of the dialect is refused."""

from conversation_engine.kernel.errors import EngineError, Kind


class UnsupportedFieldError(EngineError):
    """The dialect has such a field, and this server does not do what it asks."""

    code = "unsupported_parameter"
    kind = Kind.INVALID

    def __init__(self, field: str, why: str = "") -> None:
        super().__init__(f"`{field}` is not supported here{f': {why}' if why else ''}. Leave it out.", field=field)


class BadFieldError(EngineError):
    """A field says something that makes no sense here."""

    code = "invalid_value"
    kind = Kind.INVALID

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence, field=field)


class PreviousResponseNotFoundError(EngineError):
    """The response that another is to follow does not exist."""

    code = "previous_response_not_found"
    kind = Kind.INVALID

    def __init__(self, response_id: str) -> None:
        super().__init__(
            f"Previous response with id '{response_id[:100]}' not found. It may have been deleted, or not stored.",
            field="previous_response_id",
        )
