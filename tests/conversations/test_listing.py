"""Pages of conversations and messages: nothing twice, nothing skipped, whatever is written meanwhile."""

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    ConversationFilter,
    ConversationStatus,
    MessageRole,
    NewConversation,
    NewMessage,
)
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidCursorError, InvalidInputError
from conversation_engine.kernel.ids import MessageId, UserId
from tests.conftest import OpenEngine

ADA = UserId("ada")
for_a_moment = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
plans = st.lists(st.integers(0, 3), min_size=1, max_size=6)
"""How many rows are written before each page is read."""


@pytest.fixture
async def conversations(open_engine: OpenEngine) -> ConversationService:
    return (await open_engine()).conversations


def somebody() -> UserId:
    return UserId(new_id())


async def create(conversations: ConversationService, owner: UserId, count: int, **fields: Any) -> list[str]:
    made = [await conversations.create(NewConversation(owner_id=owner, **fields)) for _ in range(count)]
    return [one.id for one in made]


async def say(conversations: ConversationService, conversation_id: Any, owner: UserId, count: int) -> None:
    for _ in range(count):
        new = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="hi")
        await conversations.add_message(conversation_id, new, owner_id=owner)


def forged(*key: object, backward: int = 0) -> str:
    return base64.urlsafe_b64encode(json.dumps([backward, *key]).encode()).decode().rstrip("=")


class TestListOf:
    @for_a_moment
    @given(plan=plans, limit=st.integers(1, 4))
    async def test_rows_written_meanwhile_move_nothing(
        self, conversations: ConversationService, plan: list[int], limit: int
    ) -> None:
        owner = somebody()
        there = await create(conversations, owner, 6)
        page = await conversations.list_of(owner, ConversationFilter(), limit=limit)
        seen = [one.id for one in page.items]
        for written in plan + [0] * 6:
            await create(conversations, owner, written)
            if page.next is None:
                break
            page = await conversations.list_of(owner, ConversationFilter(), cursor=page.next, limit=limit)
            seen += [one.id for one in page.items]
        assert seen == there[::-1]

    @for_a_moment
    @given(plan=plans, limit=st.integers(1, 4))
    async def test_the_way_back_meets_what_was_written_meanwhile(
        self, conversations: ConversationService, plan: list[int], limit: int
    ) -> None:
        owner = somebody()
        there = await create(conversations, owner, 6)
        page = await conversations.list_of(owner, ConversationFilter(), limit=limit)
        while page.next:
            page = await conversations.list_of(owner, ConversationFilter(), cursor=page.next, limit=limit)
        there += await create(conversations, owner, sum(plan))
        seen = [one.id for one in page.items]
        while page.previous:
            page = await conversations.list_of(owner, ConversationFilter(), cursor=page.previous, limit=limit)
            seen = [*[one.id for one in page.items], *seen]
        assert seen == there[::-1]

    @pytest.mark.parametrize("status", [None, *ConversationStatus])
    @pytest.mark.parametrize("kind", [None, "general", "tutoring", "unknown"])
    async def test_filters_keep_what_is_wanted(
        self, conversations: ConversationService, status: ConversationStatus | None, kind: str | None
    ) -> None:
        for one_kind in ("general", "tutoring"):
            for one_status in ConversationStatus:
                [made] = await create(conversations, ADA, 1, type=one_kind)
                await conversations.set_status(made, one_status, owner_id=ADA)
        found = await conversations.list_of(ADA, ConversationFilter(type=kind, status=status))
        kinds = {"general", "tutoring"} if kind is None else {kind} & {"general", "tutoring"}
        statuses = set(ConversationStatus) if status is None else {status}
        assert {(one.type, one.status) for one in found.items} == {(k, s) for k in kinds for s in statuses}

    @pytest.mark.parametrize("kind", ["\x00", "\ud800", "x" * 1000])
    async def test_a_type_that_nothing_can_have_finds_nothing(
        self, conversations: ConversationService, kind: str
    ) -> None:
        try:
            assert (await conversations.list_of(ADA, ConversationFilter(type=kind))).items == []
        except InvalidInputError as error:
            assert error.facts["field"]

    @pytest.mark.parametrize("owner", ["\x00", "\ud800", "x" * 1000])
    async def test_an_owner_who_cannot_be_has_nothing(self, conversations: ConversationService, owner: str) -> None:
        try:
            assert (await conversations.list_of(UserId(owner), ConversationFilter())).items == []
        except InvalidInputError as error:
            assert error.facts["field"]

    @pytest.mark.parametrize("backward", [0, 1])
    @pytest.mark.parametrize("key", ["", "nonsense", "\x00", "\ud800", 5, 2**70, None, "x" * 5000])
    async def test_a_forged_cursor_is_refused(
        self, conversations: ConversationService, key: object, backward: int
    ) -> None:
        with pytest.raises(InvalidCursorError):
            await conversations.list_of(ADA, ConversationFilter(), cursor=forged(key, backward=backward))

    @pytest.mark.parametrize("limit", [-1, 0, 201])
    async def test_a_page_has_one_to_two_hundred_rows(self, conversations: ConversationService, limit: int) -> None:
        with pytest.raises(InvalidInputError):
            await conversations.list_of(ADA, ConversationFilter(), limit=limit)


class TestListMessages:
    @for_a_moment
    @given(plan=plans, limit=st.integers(1, 4), newest_first=st.booleans())
    async def test_on_and_back_meets_every_message_once(
        self, conversations: ConversationService, plan: list[int], limit: int, newest_first: bool
    ) -> None:
        owner = somebody()
        [made] = await create(conversations, owner, 1)
        await say(conversations, made, owner, 6)

        async def read(cursor: str | None) -> Any:
            return await conversations.list_messages(
                made, owner_id=owner, cursor=cursor, limit=limit, newest_first=newest_first
            )

        page, writes = await read(None), list(plan)
        seen = [message.sequence_number for message in page.items]
        while page.next:
            await say(conversations, made, owner, writes.pop() if writes else 0)
            page = await read(page.next)
            seen += [message.sequence_number for message in page.items]
        expected = range(6, 0, -1) if newest_first else range(1, len(seen) + 1)
        assert seen == list(expected)
        back = [message.sequence_number for message in page.items]
        while page.previous:
            page = await read(page.previous)
            back = [*[message.sequence_number for message in page.items], *back]
        total = (await conversations.get(made, owner_id=owner)).message_count
        assert back == (list(range(total, 0, -1)) if newest_first else seen)

    @pytest.mark.parametrize("key", [2**31, 2**63, 2**200, -(2**70), "1", None, 1.5, True])
    async def test_a_forged_cursor_is_refused(self, conversations: ConversationService, key: object) -> None:
        [made] = await create(conversations, ADA, 1)
        with pytest.raises(InvalidCursorError):
            await conversations.list_messages(made, owner_id=ADA, cursor=forged(key))

    async def test_messages_written_at_once_are_gap_free(self, conversations: ConversationService) -> None:
        [made] = await create(conversations, ADA, 1)
        await asyncio.gather(*(say(conversations, made, ADA, 5) for _ in range(10)))
        page = await conversations.list_messages(made, owner_id=ADA, limit=200)
        after = await conversations.get(made, owner_id=ADA)
        assert [message.sequence_number for message in page.items] == list(range(1, 51))
        assert (after.message_count, after.last_sequence) == (50, 50)
