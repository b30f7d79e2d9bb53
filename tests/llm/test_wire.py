"""Every fault of the transport has a name of ours."""

from typing import cast

import aiohttp
import pytest

from conversation_engine.domains.llm.errors import (
    MalformedStreamError,
    ModelError,
    ModelTimeoutError,
    ModelUnreachableError,
    StreamCutError,
)
from conversation_engine.domains.llm.wire import _Translated, translate

EXPECTED: dict[str, type[ModelError]] = {
    "ClientConnectionError": StreamCutError,
    "ClientConnectionResetError": StreamCutError,
    "ClientConnectorCertificateError": ModelUnreachableError,
    "ClientConnectorDNSError": ModelUnreachableError,
    "ClientConnectorError": ModelUnreachableError,
    "ClientConnectorSSLError": ModelUnreachableError,
    "ClientError": StreamCutError,
    "ClientHttpProxyError": ModelUnreachableError,
    "ClientOSError": StreamCutError,
    "ClientPayloadError": StreamCutError,
    "ClientProxyConnectionError": ModelUnreachableError,
    "ClientResponseError": MalformedStreamError,
    "ClientSSLError": ModelUnreachableError,
    "ConnectionTimeoutError": ModelTimeoutError,
    "ContentTypeError": MalformedStreamError,
    "InvalidURL": ModelUnreachableError,
    "InvalidUrlClientError": ModelUnreachableError,
    "InvalidUrlRedirectClientError": ModelUnreachableError,
    "NonHttpUrlClientError": ModelUnreachableError,
    "NonHttpUrlRedirectClientError": ModelUnreachableError,
    "RedirectClientError": StreamCutError,
    "ServerConnectionError": StreamCutError,
    "ServerDisconnectedError": StreamCutError,
    "ServerFingerprintMismatch": ModelUnreachableError,
    "ServerTimeoutError": ModelTimeoutError,
    "SocketTimeoutError": ModelTimeoutError,
    "TooManyRedirects": MalformedStreamError,
    "UploadAbortedError": StreamCutError,
    "WSServerHandshakeError": MalformedStreamError,
}


def their_errors() -> dict[str, type[aiohttp.ClientError]]:
    """All client errors that aiohttp makes public."""
    public = {name: getattr(aiohttp, name) for name in dir(aiohttp)}
    return {
        name: value
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, aiohttp.ClientError)
    }


def made(error: type[aiohttp.ClientError]) -> aiohttp.ClientError:
    """One of them, however it is built."""
    named = type(error.__name__, (error,), {"__str__": lambda self: "told by the vendor"})
    return cast(aiohttp.ClientError, named.__new__(named))


class TestTranslate:
    def test_no_error_of_the_vendor_is_forgotten(self) -> None:
        assert set(their_errors()) == set(EXPECTED)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_each_becomes_one_of_ours(self, name: str) -> None:
        ours = translate(made(their_errors()[name]))
        assert type(ours) is EXPECTED[name]
        assert name in ours.cause
        assert "vendor" not in ours.detail

    @pytest.mark.parametrize("name", sorted(EXPECTED))
    def test_each_is_caught_on_its_way(self, name: str) -> None:
        with pytest.raises(EXPECTED[name]), _Translated():
            raise made(their_errors()[name])

    def test_the_operator_finds_the_cause_in_the_chain(self) -> None:
        with pytest.raises(StreamCutError) as raised, _Translated():
            raise made(aiohttp.ServerDisconnectedError)
        assert isinstance(raised.value.__cause__, aiohttp.ServerDisconnectedError)

    def test_what_is_not_theirs_passes(self) -> None:
        with pytest.raises(ZeroDivisionError), _Translated():
            raise ZeroDivisionError

    @pytest.mark.parametrize(
        ("name", "phase"),
        [("ConnectionTimeoutError", "connect"), ("SocketTimeoutError", "between_tokens")],
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
