"""A repeated request changes a conversation once."""

import asyncio

import pytest

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import ConversationStatus, MessageRole, NewConversation, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId, UserId
from conversation_engine.kernel.once import IdempotencyKeyReusedError, Once
from tests.conftest import OpenEngine

ADA, EVE = UserId("ada"), UserId("eve")
KEY = Once.of("key", "request")


@pytest.fixture
async def engine(open_engine: OpenEngine) -> ConversationEngine:
    return await open_engine()


@pytest.fixture
def conversations(engine: ConversationEngine) -> ConversationService:
    return engine.conversations


def said(text: str = "hi") -> NewMessage:
    return NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=text)


class TestOnce:
    async def test_create(self, conversations: ConversationService) -> None:
        made = await asyncio.gather(*(conversations.create(NewConversation(owner_id=ADA), once=KEY) for _ in range(20)))
        assert len({one.id for one in made}) == 1

    async def test_the_key_of_another_user_is_another_key(self, conversations: ConversationService) -> None:
        made = [await conversations.create(NewConversation(owner_id=who), once=KEY) for who in (ADA, EVE)]
        assert [one.owner_id for one in made] == [ADA, EVE]

    async def test_another_request_is_refused(self, conversations: ConversationService) -> None:
        await conversations.create(NewConversation(owner_id=ADA), once=KEY)
        with pytest.raises(IdempotencyKeyReusedError):
            await conversations.create(NewConversation(owner_id=ADA), once=Once.of("key", "another"))

    async def test_add_message(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        added = [await conversations.add_message(made.id, said(), owner_id=ADA, once=KEY) for _ in range(3)]
        assert len({message.id for message in added}) == 1
        assert (await conversations.get(made.id, owner_id=ADA)).message_count == 1

    async def test_change_gives_what_is_there_now(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        await conversations.rename(made.id, "first", owner_id=ADA, once=KEY)
        await conversations.rename(made.id, "second", owner_id=ADA)
        assert (await conversations.rename(made.id, "first", owner_id=ADA, once=KEY)).title == "second"

    async def test_end(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        ended = [await conversations.end(made.id, owner_id=ADA, once=KEY) for _ in range(2)]
        assert [one.status for one in ended] == [ConversationStatus.COMPLETED] * 2

    async def test_delete(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        for _ in range(2):
            await conversations.delete(made.id, owner_id=ADA, once=KEY)
        with pytest.raises(ConversationNotFoundError):
            await conversations.delete(made.id, owner_id=ADA)

    async def test_fork(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        message = await conversations.add_message(made.id, said(), owner_id=ADA)
        forks = [await conversations.fork(made.id, message.id, owner_id=ADA, once=KEY) for _ in range(2)]
        assert forks[0].id == forks[1].id != made.id
