"""Links: what they show, to whom, and how long."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from conversation_engine.domains.conversations.errors import ConversationForbiddenError
from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.metadata import schema
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId
from conversation_engine.people.shares import service
from conversation_engine.people.shares.errors import (
    BadShareDaysError,
    NothingToShareError,
    ShareNotFoundError,
    SharingOffError,
    TooManySharesError,
)
from conversation_engine.people.shares.types import NewShare, ShareMode
from tests.conftest import OpenEngine
from tests.insights.scenes import talk
from tests.people.scenes import ADA, BOB, ROOT
from tests.turns.scenes import count, rows

LIVE = NewShare(mode=ShareMode.LIVE)


async def say(engine: ConversationEngine, here: Conversation, text: str, **fields: Any) -> MessageId:
    new = NewMessage(**{"id": MessageId(new_id()), "role": MessageRole.USER, "content": text, **fields})
    return (await engine.conversations.add_message(here.id, new, owner_id=here.owner_id)).id


async def shown(engine: ConversationEngine, secret: str, **asked: Any) -> list[object]:
    return [message.content for message in (await engine.shares.open(secret, **asked)).messages]


class TestWhatItShows:
    async def test_a_snapshot_stays_as_it_was_and_a_live_link_goes_on(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        await say(engine, here, "one")
        two = await say(engine, here, "two")
        _, snapshot = await engine.shares.share(ADA, here.id, NewShare())
        _, live = await engine.shares.share(ADA, here.id, LIVE)
        await say(engine, here, "three")
        await say(
            engine,
            here,
            "another two",
            parent_id=(await engine.conversations.get_message(here.id, two, owner_id=ADA.user_id)).parent_id,
        )
        assert await shown(engine, snapshot) == ["one", "two"]
        assert await shown(engine, live) == ["one", "another two"]
        await engine.conversations.choose(here.id, two, owner_id=ADA.user_id)
        assert await shown(engine, live) == ["one", "two", "three"]

    async def test_long_conversations_are_shown_in_pages_without_instructions(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "PAGE_MESSAGES", 2)
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        await say(engine, here, "Be kind.", role=MessageRole.SYSTEM)
        for number in range(5):
            await say(engine, here, f"{number}")
        _, secret = await engine.shares.share(ADA, here.id, LIVE)
        after, seen = 0, []
        while True:
            page = await engine.shares.open(secret, after=after)
            seen.append([message.content for message in page.messages])
            if page.next is None:
                break
            after = page.next
        assert seen == [["0", "1"], ["2", "3"], ["4"]]

    async def test_what_is_deleted_is_gone_from_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        await say(engine, here, "one")
        two = await say(engine, here, "two")
        _, snapshot = await engine.shares.share(ADA, here.id, NewShare())
        _, live = await engine.shares.share(ADA, here.id, LIVE)
        await engine.conversations.delete_message(here.id, two, owner_id=ADA.user_id)
        assert await shown(engine, live) == ["one"]
        with pytest.raises(ShareNotFoundError):
            await engine.shares.open(snapshot)
        await engine.conversations.delete(here.id, owner_id=ADA.user_id)
        with pytest.raises(ShareNotFoundError):
            await engine.shares.open(live)
        assert await count(engine, "conversation_shares") == 0


class TestHowLong:
    async def test_until_it_expires_or_is_taken_back(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        share, secret = await engine.shares.share(ADA, here.id, NewShare(mode=ShareMode.LIVE, days=2))
        kept, other = await engine.shares.share(ADA, here.id, NewShare(mode=ShareMode.LIVE, days=1))
        assert share.expires_at - share.created_at == timedelta(days=2)
        await engine.shares.revoke(ADA, here.id, share.id)
        await engine.shares.revoke(ADA, here.id, share.id)
        with pytest.raises(ShareNotFoundError):
            await engine.shares.open(secret)
        assert await shown(engine, other) == []
        shares = schema().tables["conversation_shares"]
        over = update(shares).where(shares.c.id == kept.id).values(expires_at=kept.created_at)
        await engine.database.write(lambda tx: tx.execute(over))
        with pytest.raises(ShareNotFoundError):
            await engine.shares.open(other)
        assert await engine.shares.list_of(ADA, here.id) == []
        await engine.shares.share(ADA, here.id, LIVE)
        assert await count(engine, "conversation_shares") == 1

    async def test_erasing_its_owner_ends_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        _, secret = await engine.shares.share(ADA, here.id, LIVE)
        _, exported = await engine.records.export(ADA, ADA.user_id)
        [row] = exported["conversation_shares"]
        assert "secret_hash" not in row
        assert (await engine.records.erase(ROOT, ADA.user_id)).rows["conversation_shares"] == 1
        with pytest.raises(ShareNotFoundError):
            await engine.shares.open(secret)


class TestWho:
    async def test_the_owner_alone_and_it_is_on_record(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        share, secret = await engine.shares.share(ADA, here.id, LIVE)
        for who in (BOB, ROOT):
            for refused in (
                engine.shares.share(who, here.id, LIVE),
                engine.shares.list_of(who, here.id),
                engine.shares.revoke(who, here.id, share.id),
            ):
                with pytest.raises(ConversationForbiddenError):
                    await refused
        await engine.shares.revoke(ADA, (await talk(engine, ADA.user_id)).id, share.id)
        assert await shown(engine, secret) == []
        await engine.shares.revoke(ADA, here.id, share.id)
        events = (await engine.audit.list_of(ROOT, AuditFilter(actor_id=ADA.user_id))).items
        assert [event.deed.action for event in events] == ["share.revoked", "conversation.shared"]
        assert {event.deed.target for event in events} == {f"conversation:{here.id}"}

    async def test_the_secret_is_long_and_nowhere_in_the_store(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        here = await talk(engine, ADA.user_id)
        secrets = {(await engine.shares.share(ADA, here.id, LIVE))[1] for _ in range(20)}
        assert len(secrets) == 20
        assert {len(secret) for secret in secrets} == {43}  # 256 bits
        stored = str(await rows(engine, "SELECT * FROM conversation_shares"))
        stored += str(await rows(engine, "SELECT * FROM audit_events"))
        assert not [secret for secret in secrets if secret in stored]

    async def test_what_makes_no_sense_is_refused(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "MOST_SHARES", 1)
        engine = await open_engine(share_most_days=30)
        here = await talk(engine, ADA.user_id)
        for days in (0, -1, 31):
            with pytest.raises(BadShareDaysError):
                await engine.shares.share(ADA, here.id, NewShare(mode=ShareMode.LIVE, days=days))
        with pytest.raises(NothingToShareError):
            await engine.shares.share(ADA, here.id, NewShare())
        _, secret = await engine.shares.share(ADA, here.id, LIVE)
        with pytest.raises(TooManySharesError):
            await engine.shares.share(ADA, here.id, LIVE)
        off = await open_engine(share_most_days=0)
        with pytest.raises(SharingOffError):
            await off.shares.share(ADA, here.id, LIVE)
        with pytest.raises(ShareNotFoundError):
            await off.shares.open(secret)
