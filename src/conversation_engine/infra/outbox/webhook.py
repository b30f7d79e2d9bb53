"""Calls a webhook, and nothing else: not what its name may lead to inside our own network.

The address that counts is the one that the socket is about to be connected to, after the name was resolved: a name that
resolves to something else a moment later (DNS rebinding) cannot get past it. Redirects and proxies are not followed.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from conversation_engine.infra.outbox.errors import BadWebhookError, PrivateAddressError, WebhookFailedError
from conversation_engine.infra.outbox.types import OutboxEvent
from conversation_engine.kernel.clock import Clock

LEAST_SECRET_BYTES: Final = 24
"""As Standard Webhooks has it."""


class Webhook:
    """One receiver. Every call is a connection of its own: they are rare."""

    def __init__(
        self, url: SecretStr, secret: SecretStr | None, *, clock: Clock, timeout_seconds: float, may_be_private: bool
    ) -> None:
        """Raises BadWebhookError for an address or a secret that will not do."""
        if not _is_address(url.get_secret_value(), ("https", "http") if may_be_private else ("https",)):
            raise BadWebhookError("CE_WEBHOOK_URL is not an https:// address.", field="webhook_url")
        if secret is None or len(secret.get_secret_value().encode()) < LEAST_SECRET_BYTES:
            raise BadWebhookError(
                f"CE_WEBHOOK_SECRET is missing or short: use at least {LEAST_SECRET_BYTES} random bytes, such as "
                "`openssl rand -hex 32`.",
                field="webhook_secret",
            )
        self._url = url
        self._key = secret.get_secret_value().encode()
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._may_be_private = may_be_private

    async def send(self, event: OutboxEvent) -> None:
        """Have the event taken. Raises PrivateAddressError or WebhookFailedError; it may have been taken even then."""
        body = body_of(event)
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature_of(self._key, event.id, timestamp, body),
        }
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=self._socket)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False) as session,
                session.post(self._url.get_secret_value(), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if not 200 <= answer.status < 300:
                    raise WebhookFailedError
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise WebhookFailedError from error

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if not self._may_be_private and not is_public(str(where[0])):
            raise PrivateAddressError
        return socket.socket(family=family, type=kind, proto=protocol)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, whatever clothes it wears."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GLOBAL_UNICAST:  # elsewhere are addresses that stand for IPv4 in ways of their own
            return False
    return found.is_global and not found.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6 (RFC 4291)."""


def _is_address(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that make no sense
        return False


def body_of(event: OutboxEvent) -> bytes:
    """What is sent: the same bytes at every try."""
    document = {"type": event.kind, "timestamp": event.created_at.isoformat(), "data": dict(event.payload)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def signature_of(key: bytes, event_id: str, timestamp: str, body: bytes) -> str:
    """`v1,…` over `id.timestamp.body` (Standard Webhooks)."""
    digest = hmac.new(key, b".".join((event_id.encode(), timestamp.encode(), body)), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
