"""Items that come and go one by one: on both databases."""

import pytest

from conversation_engine.domains.context.service import SummaryService
from conversation_engine.domains.context.types import Summary
from conversation_engine.domains.conversations.errors import ConversationForbiddenError, MessageNotFoundError
from conversation_engine.domains.conversations.types import Message, MessageRole, NewConversation, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from tests.conftest import OpenEngine

ADA = UserId("ada")


async def furnished(engine: ConversationEngine, *, count: int) -> tuple[ConversationId, list[Message]]:
    """A conversation with so many items."""
    said = [NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=f"word{n}") for n in range(count)]
    conversation = await engine.dialects.items.create(NewConversation(owner_id=ADA), said)
    return conversation.id, list((await engine.conversations.list_messages(conversation.id, owner_id=ADA)).items)


class TestTakeOut:
    async def test_what_follows_it_follows_what_it_followed(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        key, said = await furnished(engine, count=4)
        for place, followed in ((1, [0, 2, 3]), (0, [2, 3]), (3, [2])):
            left = await engine.dialects.items.take_out(key, said[place].id, owner_id=ADA)
            path = list((await engine.conversations.path(key, owner_id=ADA)).items)
            assert [one.id for one in path] == [said[number].id for number in followed]
            assert [one.parent_id for one in path] == [None, *(one.id for one in path[:-1])]
            assert (left.message_count, left.active_leaf_id) == (len(followed), path[-1].id)
            assert await engine.conversations.get(key, owner_id=ADA) == left
        with pytest.raises(MessageNotFoundError):
            await engine.dialects.items.take_out(key, said[3].id, owner_id=ADA)
        with pytest.raises(ConversationForbiddenError):
            await engine.dialects.items.take_out(key, said[2].id, owner_id=UserId("bob"))

    async def test_summaries_that_it_was_part_of_go_with_it(self, open_engine: OpenEngine) -> None:
        engine, summaries = await open_engine(), SummaryService()
        key, said = await furnished(engine, count=6)

        def summary(first: int, last: int) -> Summary:
            return Summary(
                id=new_id(),
                conversation_id=key,
                owner_id=ADA,
                first_sequence=first,
                last_sequence=last,
                last_message_id=said[last - 1].id,
                text="in short",
                token_count=2,
                model="x",
                llm_request_id=None,
                error_code=None,
                created_at=engine.clock.now(),
            )

        for one in (summary(1, 2), summary(1, 5)):
            await engine.database.write(lambda tx, one=one: summaries.add(tx, one))
        changed = await engine.conversations.get(key, owner_id=ADA)
        assert changed.summarized_through == 0
        await engine.database.write(lambda tx: _summarized(tx, engine, key))
        left = await engine.dialects.items.take_out(key, said[3].id, owner_id=ADA)
        assert left.summarized_through == 2
        kept = await engine.database.read(lambda tx: summaries.newest(tx, key))
        assert [one.last_sequence for one in kept] == [2]


def _summarized(tx: object, engine: ConversationEngine, key: ConversationId) -> None:
    from conversation_engine.domains.conversations.paths.service import PathService

    conversation = engine.conversations.owned(tx, key, owner_id=ADA)  # type: ignore[arg-type]
    PathService(engine.conversations).note_summary(tx, conversation, through=5)  # type: ignore[arg-type]


class TestPage:
    async def test_it_is_the_active_path(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        key, said = await furnished(engine, count=3)
        beside = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="beside", parent_id=said[0].id)
        await engine.conversations.add_message(key, beside, owner_id=ADA)
        page = engine.dialects.items.page
        found, has_more = await page(key, owner_id=ADA, after=None, limit=5, newest_first=False)
        assert ([one.id for one in found], has_more) == ([said[0].id, beside.id], False)
        found, has_more = await page(key, owner_id=ADA, after=beside.id, limit=1, newest_first=True)
        assert ([one.id for one in found], has_more) == ([said[0].id], False)
