"""Why an event did not get through."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class WebhookFailedError(EngineError):
    """The webhook did not answer with a 2xx status."""

    code = "webhook_failed"
    kind = Kind.UPSTREAM

    def __init__(self) -> None:
        super().__init__("The webhook did not take the event. It is called again later.")


class PrivateAddressError(EngineError):
    """The webhook's name leads to an address inside our own network."""

    code = "private_address"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "The webhook's address is not a public one. If it is meant to be, set CE_WEBHOOK_PRIVATE_ADDRESSES=allow."
        )


class BadWebhookError(InvalidInputError):
    """A webhook that cannot be called as it is set."""

    code = "bad_webhook"
