"""Why nothing is shared, or nothing shown."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class ShareNotFoundError(EngineError):
    """A link that leads nowhere: none of ours, expired, taken back, or what it led to is gone. Nobody learns which."""

    code = "share_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("This link leads nowhere, or not any more. Ask whoever gave it to you for a new one.")


class SharingOffError(EngineError):
    """Sharing is switched off."""

    code = "sharing_off"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Conversations are not shared here. An admin can allow it with CE_SHARE_MOST_DAYS.")


class BadShareDaysError(InvalidInputError):
    """A link that would lead nowhere, or for too long."""

    code = "bad_share_days"

    def __init__(self, most: int) -> None:
        super().__init__(f"A link lasts from 1 to {most} days.", field="days")


class NothingToShareError(InvalidInputError):
    """A snapshot of nothing."""

    code = "nothing_to_share"

    def __init__(self) -> None:
        super().__init__("Nothing is said in this conversation yet. Share it live, or say something first.")


class TooManySharesError(EngineError):
    """More links than anybody can look after."""

    code = "too_many_shares"
    kind = Kind.CONFLICT

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} links to this conversation already. Take one back first.")
