"""Every fault of a service, and of the way to it, has a name of ours, and no secret of ours in it."""

import json
from typing import cast
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import http_exceptions

from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ErrorInStreamError,
    MalformedStreamError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
)
from conversation_engine.domains.llm.providers import anthropic_messages, openai_chat
from conversation_engine.domains.llm.translation import (
    Redaction,
    refusal,
    reported,
    secrets_in,
    translate,
)
from conversation_engine.domains.llm.wire import _Translated

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
    # aiohttp.http_exceptions: the parser's, which a client mostly wraps into the above
    "BadHttpMessage": MalformedStreamError,
    "BadHttpMethod": MalformedStreamError,
    "BadStatusLine": MalformedStreamError,
    "ContentEncodingError": MalformedStreamError,
    "ContentLengthError": MalformedStreamError,
    "DecompressSizeError": MalformedStreamError,
    "HttpBadRequest": MalformedStreamError,
    "HttpProcessingError": MalformedStreamError,
    "InvalidHeader": MalformedStreamError,
    "InvalidURLError": MalformedStreamError,
    "LineTooLong": MalformedStreamError,
    "PayloadEncodingError": MalformedStreamError,
    "TransferEncodingError": MalformedStreamError,
    # the system's
    "ConnectionRefusedError": ModelUnreachableError,
    "ConnectionResetError": ModelUnreachableError,
    "OSError": ModelUnreachableError,
}
SYSTEM_ERRORS = (OSError, ConnectionRefusedError, ConnectionResetError)


def their_errors() -> dict[str, type[Exception]]:
    """All errors of aiohttp that a client may meet, and some of the system's."""
    public = [*vars(aiohttp).values(), *vars(http_exceptions).values(), *SYSTEM_ERRORS]
    roots = (aiohttp.ClientError, http_exceptions.HttpProcessingError, *SYSTEM_ERRORS)
    return {value.__name__: value for value in public if isinstance(value, type) and issubclass(value, roots)}


def made(error: type[Exception]) -> Exception:
    """One of them, however it is built."""
    named = type(error.__name__, (error,), {"__str__": lambda self: "told by the vendor"})
    return cast(Exception, named.__new__(named))


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


ANTHROPIC = {
    # (HTTP status, error.type) as its reference lists them: what it is as a refusal, and inside a stream
    (400, "invalid_request_error"): (BadModelRequestError, BadModelRequestError),
    (401, "authentication_error"): (AuthenticationError, AuthenticationError),
    (402, "billing_error"): (PermissionDeniedError, PermissionDeniedError),
    (403, "permission_error"): (PermissionDeniedError, PermissionDeniedError),
    (404, "not_found_error"): (ModelNotFoundError, ModelNotFoundError),
    (413, "request_too_large"): (ContextTooLongError, ContextTooLongError),
    (429, "rate_limit_error"): (ModelRateLimitedError, ModelRateLimitedError),
    (500, "api_error"): (OverloadedError, ErrorInStreamError),
    (504, "timeout_error"): (ModelTimeoutError, ModelTimeoutError),
    (529, "overloaded_error"): (OverloadedError, OverloadedError),
}
OPENAI = {
    # (HTTP status, error.type, error.code): OpenAI's reference, then what others send who speak its dialect
    (400, "invalid_request_error", "context_length_exceeded"): ContextTooLongError,
    (400, "invalid_request_error", "string_above_max_length"): ContextTooLongError,
    (400, "invalid_request_error", "content_policy_violation"): ContentFilteredError,
    (400, "invalid_request_error", None): BadModelRequestError,
    (401, "invalid_request_error", "invalid_api_key"): AuthenticationError,
    (401, "invalid_request_error", None): AuthenticationError,
    (403, "request_forbidden", "unsupported_country_region_territory"): PermissionDeniedError,
    (404, "invalid_request_error", "model_not_found"): ModelNotFoundError,
    (409, "conflict", None): OverloadedError,
    (422, "invalid_request_error", None): BadModelRequestError,
    (429, "requests", "rate_limit_exceeded"): ModelRateLimitedError,
    (429, "tokens", "rate_limit_exceeded"): ModelRateLimitedError,
    (429, "insufficient_quota", "insufficient_quota"): PermissionDeniedError,
    (429, "insufficient_quota", "billing_hard_limit_reached"): PermissionDeniedError,
    (500, "server_error", None): OverloadedError,
    (503, "server_error", "engine_overloaded"): OverloadedError,
    (503, "server_error", "slow_down"): OverloadedError,
    (400, None, "content_filter"): ContentFilteredError,
    (404, None, "DeploymentNotFound"): ModelNotFoundError,
    (429, None, "429"): ModelRateLimitedError,
    (400, "exceed_context_size_error", 400): ContextTooLongError,
    (401, "authentication_error", 401): AuthenticationError,
    (404, "not_found_error", 404): ModelNotFoundError,
    (501, "not_supported_error", 501): BadModelRequestError,
    (503, "unavailable_error", 503): OverloadedError,
    (400, "BadRequestError", 400): BadModelRequestError,
    (404, "NotFoundError", 404): ModelNotFoundError,
    (500, "InternalServerError", 500): OverloadedError,
    (503, "overloaded_error", None): OverloadedError,
}


class TestVendors:
    """Every error that a vendor documents, as a refusal before the stream and as an event inside it."""

    @pytest.mark.parametrize(("status", "kind"), ANTHROPIC)
    def test_anthropic(self, status: int, kind: str) -> None:
        words = anthropic_messages.ERROR_WORDS
        told = {"type": kind, "message": "for the operator"}
        as_refusal, in_stream = ANTHROPIC[status, kind]
        assert type(refusal(status, json.dumps({"type": "error", "error": told}), words=words)) is as_refusal
        assert type(reported(told, words=words, otherwise=ErrorInStreamError)) is in_stream

    def test_no_type_of_anthropic_is_forgotten(self) -> None:
        assert {kind for _, kind in ANTHROPIC} == set(anthropic_messages.ERROR_WORDS)

    @pytest.mark.parametrize(("status", "kind", "code"), OPENAI)
    def test_openai(self, status: int, kind: str | None, code: str | int | None) -> None:
        words = openai_chat.ERROR_WORDS
        told = {"message": "for the operator", "type": kind, "param": None, "code": code}
        expected = OPENAI[status, kind, code]
        for document in ({"error": told}, told):  # some send it bare
            assert type(refusal(status, json.dumps(document), words=words)) is expected
        if kind in words or str(code) in words:
            in_stream = reported(told, words=words, otherwise=ErrorInStreamError)
            assert type(in_stream) in (expected, words.get(str(code)), words.get(str(kind)))
            assert in_stream.cause

    @pytest.mark.parametrize("document", [None, 5, "busy", [], {}, {"message": "oh"}, {"type": "new"}, {"code": [1]}])
    def test_what_nobody_documents_is_an_error_in_the_stream(self, document: object) -> None:
        for words in (openai_chat.ERROR_WORDS, anthropic_messages.ERROR_WORDS):
            assert type(reported(document, words=words, otherwise=ErrorInStreamError)) is ErrorInStreamError

    @pytest.mark.parametrize("status", range(300, 600))
    def test_every_status_has_an_error_and_only_faults_of_the_service_speak_against_it(self, status: int) -> None:
        error = refusal(status, "", words={})
        assert error.is_service_fault == (status in (408, 409, 425) or (status >= 500 and status != 501))
        assert error.is_transient == (error.is_service_fault or status == 429)


SENTINEL = 'sk-SENTINEL/0123+4567="\\é&x'


class TestRedaction:
    @pytest.mark.parametrize(
        "form",
        [
            SENTINEL,
            json.dumps(SENTINEL),
            json.dumps({"error": SENTINEL}).replace("/", "\\/"),
            quote(SENTINEL),
            quote(SENTINEL, safe=""),
            repr(SENTINEL),
        ],
    )
    def test_a_secret_is_blotted_out_however_it_is_written(self, form: str) -> None:
        told = Redaction([SENTINEL])(f"Incorrect API key provided: {form}, {form}.")
        assert "SENTINEL" not in told
        assert told.count("[key]") == 2

    @pytest.mark.parametrize("secret", ["", "x", "abc"])
    def test_what_is_too_short_to_be_one_stays(self, secret: str) -> None:
        assert Redaction([secret])("abc xyz") == "abc xyz"

    def test_one_that_contains_another_is_blotted_out_whole(self) -> None:
        assert Redaction(["secret", "secret-long"])("secret-long secret") == "[key] [key]"

    @pytest.mark.parametrize(
        ("url", "secrets"),
        [
            ("https://x/v1", []),
            ("https://user:pass%20word@x/v1?api-version=1&key=hidden", ["pass%20word", "1", "hidden"]),
            ("http://[", []),
        ],
    )
    def test_an_address_may_hold_secrets(self, url: str, secrets: list[str]) -> None:
        assert list(secrets_in(url)) == secrets


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
