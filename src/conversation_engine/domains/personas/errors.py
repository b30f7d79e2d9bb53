"""Why something about a persona or a template was refused."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind
from conversation_engine.kernel.ids import PersonaId


class PersonaNotFoundError(EngineError):
    """No persona has this id, or no such version."""

    code = "persona_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, persona_id: PersonaId) -> None:
        super().__init__("There is no such client. List those that are open to you.", persona_id=persona_id)


class PersonaForbiddenError(EngineError):
    """The persona is somebody else's and was not shared with the caller."""

    code = "persona_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self, persona_id: PersonaId) -> None:
        super().__init__(
            "That client belongs to somebody else. Its teacher can share it with you.", persona_id=persona_id
        )


class PersonaArchivedError(EngineError):
    """The persona takes no new sessions."""

    code = "persona_archived"
    kind = Kind.CONFLICT

    def __init__(self, persona_id: PersonaId) -> None:
        super().__init__("That client is archived. Choose another, or ask its teacher.", persona_id=persona_id)


class PersonaChangedError(EngineError):
    """Somebody saved another version in between."""

    code = "persona_changed"
    kind = Kind.CONFLICT

    def __init__(self, persona_id: PersonaId, *, version: int) -> None:
        super().__init__(
            f"That client was changed meanwhile: version {version} is the newest. Read it, then save yours again.",
            persona_id=persona_id,
            version=version,
        )


class TemplateNotFoundError(EngineError):
    """No prompt template has this name, or no such version."""

    code = "template_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, name: str, version: int | None) -> None:
        wanted = "" if version is None else f" with version {version}"
        super().__init__(f"There is no prompt template of that name{wanted}. List them to see what is there.")
        self.facts["template"] = name


class TemplateUnreadableError(InvalidInputError):
    """A template file makes no sense: for the operator, at start."""

    code = "template_unreadable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"The prompt template {place} cannot be used: {reason}.", place=place)


class TemplateVariableError(InvalidInputError):
    """A template was given a variable that it does not have, or one of the wrong type, or not one that it needs."""

    code = "template_variable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The variable `{name}` {reason}.", field=name)
