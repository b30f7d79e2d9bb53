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
