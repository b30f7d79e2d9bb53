"""Events: told once they are committed, to everybody who wants to hear, whatever breaks on the way."""

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import text

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.outbox.errors import BadWebhookError, PrivateAddressError, WebhookFailedError
from conversation_engine.infra.outbox.types import OutboxEvent
from conversation_engine.infra.outbox.webhook import Webhook, is_public
from conversation_engine.testing import FakeClock, ScriptedModel
from tests.conftest import until
from tests.turns.scenes import rows

SECRET = SecretStr("a secret of a webhook, 32 bytes.")
EVENT = OutboxEvent(id="e-1", kind="thing.happened", payload={"ä": 1}, created_at=datetime(2026, 1, 1, tzinfo=UTC))
SOON = {"job_poll_seconds": 0.02}


@dataclass(kw_only=True)
class Receiver:
    """A webhook's other end."""

    url: SecretStr
    statuses: list[int] = field(default_factory=list)
    """Of the next answers; 204 when there are none left."""
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"location": "/elsewhere"} if status == 302 else {})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(url=SecretStr(f"http://127.0.0.1:{listener.getsockname()[1]}/hook"))
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", receiver.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    yield receiver
    await runner.cleanup()


def webhook(url: SecretStr, *, may_be_private: bool = True, timeout_seconds: float = 5) -> Webhook:
    return Webhook(url, SECRET, clock=FakeClock(), timeout_seconds=timeout_seconds, may_be_private=may_be_private)


class TestWebhook:
    async def test_an_event_is_signed_as_standard_webhooks_say(self, receiver: Receiver) -> None:
        await webhook(receiver.url).send(EVENT)
        [(headers, body)] = receiver.calls
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(SECRET.get_secret_value().encode(), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert headers["webhook-id"] == "e-1"
        assert body.decode() == '{"data":{"ä":1},"timestamp":"2026-01-01T00:00:00+00:00","type":"thing.happened"}'

    @pytest.mark.parametrize("status", [302, 404, 500])
    async def test_any_other_answer_than_2xx_is_a_failure_and_no_redirect_is_followed(
        self, receiver: Receiver, status: int
    ) -> None:
        receiver.statuses = [status]
        with pytest.raises(WebhookFailedError):
            await webhook(receiver.url).send(EVENT)
        assert len(receiver.calls) == 1

    async def test_silence_is_a_failure(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = SecretStr(f"http://127.0.0.1:{listener.getsockname()[1]}/")
            with pytest.raises(WebhookFailedError):
                await webhook(url, timeout_seconds=0.2).send(EVENT)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "0"])
    async def test_an_address_of_our_own_is_not_called_whatever_its_name(self, receiver: Receiver, host: str) -> None:
        port = receiver.url.get_secret_value().split(":")[2].partition("/")[0]
        with pytest.raises((PrivateAddressError, WebhookFailedError)):
            await webhook(SecretStr(f"https://{host}:{port}"), may_be_private=False, timeout_seconds=1).send(EVENT)
        assert receiver.calls == []

    async def test_the_name_is_judged_by_what_it_resolves_to(self, receiver: Receiver) -> None:
        port = receiver.url.get_secret_value().split(":")[2].partition("/")[0]
        with pytest.raises(PrivateAddressError):
            await webhook(SecretStr(f"https://localhost:{port}"), may_be_private=False).send(EVENT)

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com/",
            "ftp://example.com/",
            "example.com",
            "https://",
            "https://[",
            "https://x:y/",
            "https://x:99999/",
        ],
    )
    def test_what_is_no_https_address_is_refused(self, url: str) -> None:
        with pytest.raises(BadWebhookError):
            webhook(SecretStr(url), may_be_private=False)

    def test_so_is_a_short_secret(self) -> None:
        for secret in (None, SecretStr("x" * 23)):
            with pytest.raises(BadWebhookError):
                Webhook(
                    SecretStr("https://example.com"),
                    secret,
                    clock=FakeClock(),
                    timeout_seconds=1,
                    may_be_private=False,
                )


class TestIsPublic:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
            "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::",
            "::10.0.0.1", "64:ff9b:1::a00:1", "fec0::1",
        ],
    )  # fmt: skip
    def test_none_of_these(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
    def test_these(self, address: str) -> None:
        assert is_public(address)


@asynccontextmanager
async def listening(
    settings: Settings, heard: list[OutboxEvent], **changes: object
) -> AsyncIterator[ConversationEngine]:
    engine = ConversationEngine(
        settings.model_copy(update=SOON | changes), providers={"scripted": ScriptedModel()}, listeners=[heard.append]
    )
    async with engine:
        yield engine


async def put(engine: ConversationEngine, number: int = 1) -> None:
    await engine.database.write(lambda tx: engine._outbox.put(tx, "thing.happened", {"number": number}))


class TestOutbox:
    async def test_listeners_hear_an_event_once_however_many_processes_there_are(self, settings: Settings) -> None:
        heard: list[OutboxEvent] = []
        async with listening(settings, heard) as one, listening(settings, heard) as other:
            for number in range(10):
                await put(one if number % 2 else other, number)
            await one.jobs.drain(seconds=20)
        assert sorted(event.payload["number"] for event in heard) == list(range(10))

    async def test_what_is_rolled_back_is_never_told(self, settings: Settings) -> None:
        heard: list[OutboxEvent] = []
        async with listening(settings, heard) as engine:

            def work(tx: object) -> None:
                engine._outbox.put(tx, "thing.happened", {})  # type: ignore[arg-type]
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await engine.database.write(work)
            await engine.jobs.drain(seconds=20)
        assert heard == []

    async def test_a_webhook_that_fails_is_called_again_and_nobody_else_hears_it_twice(
        self, settings: Settings, receiver: Receiver
    ) -> None:
        heard: list[OutboxEvent] = []
        receiver.statuses = [500]
        hook = {"webhook_url": receiver.url, "webhook_secret": SECRET, "webhook_private_addresses": "allow"}
        async with listening(settings, heard, **hook) as engine:
            await put(engine)
            await until(lambda: len(receiver.calls) == 2)
            await engine.jobs.drain(seconds=20)
            [row] = await rows(engine, "SELECT attempts, error_code, delivered_at FROM outbox")
        assert (row["attempts"], row["error_code"], row["delivered_at"] is not None) == (2, None, True)
        ids = {headers["webhook-id"] for headers, _ in receiver.calls}
        assert (len(ids), len(heard)) == (1, 1)
        assert receiver.calls[0][1] == receiver.calls[1][1]

    async def test_an_event_of_a_process_that_died_is_told_by_another(self, settings: Settings) -> None:
        heard: list[OutboxEvent] = []
        idle = ConversationEngine(
            settings.model_copy(update={"jobs_at_once": 0}), providers={"scripted": ScriptedModel()}
        )
        async with idle:
            await put(idle)
        async with listening(settings, heard) as engine:
            await engine.jobs.drain(seconds=20)
        assert len(heard) == 1

    async def test_a_listener_that_breaks_does_not_keep_the_others_from_hearing(self, settings: Settings) -> None:
        heard: list[OutboxEvent] = []

        async def broken(event: OutboxEvent) -> None:
            raise ZeroDivisionError

        engine = ConversationEngine(
            settings.model_copy(update=SOON), providers={"scripted": ScriptedModel()}, listeners=[broken, heard.append]
        )
        async with engine:
            await put(engine)
            await until(lambda: bool(heard))
            await asyncio.sleep(0)

    async def test_what_was_delivered_long_ago_is_forgotten_and_what_was_not_stays(self, settings: Settings) -> None:
        clock = FakeClock()
        changes = settings.model_copy(update=SOON | {"outbox_days": 2.0})
        engine = ConversationEngine(changes, providers={"scripted": ScriptedModel()}, clock=clock)
        async with engine:
            for number in range(3):
                await put(engine, number)
            await engine.jobs.drain(seconds=20)
            await engine.jobs.aclose()
            failed = text("UPDATE outbox SET attempts = 13 WHERE id = (SELECT id FROM outbox ORDER BY id LIMIT 1)")
            await engine.database.write(lambda tx: tx.execute(failed))
            clock.advance(seconds=3600)
            await put(engine, 3)
            assert await engine._outbox.sweep() == 0
            clock.advance(seconds=2 * 86_400 - 1800)
            assert await engine._outbox.sweep() == 2
            assert len(await rows(engine, "SELECT id FROM outbox")) == 2  # one failed, one nobody has heard yet
