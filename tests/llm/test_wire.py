"""Every fault of the transport has a name of ours."""

import httpx2
import pytest

from conversation_engine.domains.llm.errors import (
    BadModelRequestError,
    MalformedStreamError,
    ModelError,
    ModelTimeoutError,
    ModelUnreachableError,
    StreamCutError,
)
from conversation_engine.domains.llm.wire import _Translated, translate

EXPECTED: dict[str, type[ModelError]] = {
    "CloseError": StreamCutError,
    "ConnectError": ModelUnreachableError,
    "ConnectTimeout": ModelTimeoutError,
    "CookieConflict": StreamCutError,
    "DecodingError": MalformedStreamError,
    "HTTPError": StreamCutError,
    "HTTPStatusError": StreamCutError,
    "InvalidURL": ModelUnreachableError,
    "LocalProtocolError": BadModelRequestError,
    "NetworkError": StreamCutError,
    "PoolTimeout": ModelTimeoutError,
    "ProtocolError": StreamCutError,
    "ProxyError": ModelUnreachableError,
    "ReadError": StreamCutError,
    "ReadTimeout": ModelTimeoutError,
    "RemoteProtocolError": StreamCutError,
    "RequestError": StreamCutError,
    "RequestNotRead": StreamCutError,
    "ResponseNotRead": StreamCutError,
    "SSEError": StreamCutError,
    "StreamClosed": StreamCutError,
    "StreamConsumed": StreamCutError,
    "StreamError": StreamCutError,
    "TimeoutException": ModelTimeoutError,
    "TooManyRedirects": StreamCutError,
    "TransportError": StreamCutError,
    "UnsupportedProtocol": ModelUnreachableError,
    "WriteError": StreamCutError,
    "WriteTimeout": ModelTimeoutError,
}
NEVER_RAISED_HERE = {"CookieConflict"}
"""Only by looking up a cookie by name, which nobody does."""


def their_errors() -> dict[str, type[Exception]]:
    """All exceptions that httpx2 makes public."""
    public = {name: getattr(httpx2, name) for name in dir(httpx2) if not name.startswith("_")}
    return {
        name: value
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
    }


def made(error: type[Exception]) -> Exception:
    """One of them, however it is built."""
    instance = error.__new__(error)
    Exception.__init__(instance, "told by the vendor")
    return instance


class TestTranslate:
    def test_no_error_of_the_vendor_is_forgotten(self) -> None:
        assert set(their_errors()) == set(EXPECTED)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_each_becomes_one_of_ours(self, name: str) -> None:
        ours = translate(made(their_errors()[name]))
        assert type(ours) is EXPECTED[name]
        assert name in ours.cause
        assert "vendor" not in ours.detail

    @pytest.mark.parametrize("name", sorted(set(EXPECTED) - NEVER_RAISED_HERE))
    def test_each_is_caught_on_its_way(self, name: str) -> None:
        with pytest.raises(EXPECTED[name]), _Translated():
            raise made(their_errors()[name])

    def test_the_operator_finds_the_cause_in_the_chain(self) -> None:
        with pytest.raises(StreamCutError) as raised, _Translated():
            raise made(httpx2.ReadError)
        assert isinstance(raised.value.__cause__, httpx2.ReadError)

    def test_what_is_not_theirs_passes(self) -> None:
        with pytest.raises(ZeroDivisionError), _Translated():
            raise ZeroDivisionError

    @pytest.mark.parametrize(
        ("name", "phase"),
        [("ConnectTimeout", "connect"), ("PoolTimeout", "connect"), ("ReadTimeout", "between_tokens")],
    )
    def test_a_timeout_says_when(self, name: str, phase: str) -> None:
        ours = translate(made(their_errors()[name]))
        assert isinstance(ours, ModelTimeoutError)
        assert ours.phase == phase


class TestModelErrors:
    def test_every_one_has_a_sentence_for_people(self) -> None:
        left, seen = [ModelError], []
        while left:
            error = left.pop()
            seen.append(error)
            left += error.__subclasses__()
        assert len(seen) >= 14
        for error in seen:
            assert error.sentence.endswith(".")
        assert len({error.sentence for error in seen}) == len(seen)
