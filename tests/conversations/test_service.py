"""Conversations and messages as a caller sees them."""

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.conversations.errors import (
    ConversationForbiddenError,
    ConversationNotActiveError,
    ConversationNotFoundError,
    MessageNotFoundError,
)
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    Conversation,
    ConversationFilter,
    ConversationStatus,
    Message,
    MessageRole,
    MessageStatus,
    NewConversation,
    NewMessage,
    Usage,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidIdError, InvalidInputError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.windows import NO_OPTIONS
from tests.conftest import OpenEngine

ADA, EVE = UserId("ada"), UserId("eve")
UNKNOWN = ConversationId("01890a5d-ac96-774b-bcce-b302099a8057")
OF_A_ROOM = {
    "append",
    "append_reply",
    "add_usage",
    "open_for_reply",
    "hold",
    "owned",
    "message",
    "find_message",
    "count_newest_tokens",
    "newest",
    "remove_message",
}
"""Join a transaction of another room's, which has checked the owner or does so by calling them."""
PURE = {"checked_conversation", "checked_message", "checked_prompt", "checked_metadata", "checked_model"}
WITHOUT_A_CONVERSATION = {"create", "list_of", "start"}
SCOPED: dict[str, tuple[Any, ...]] = {
    "get": (),
    "rename": ("a title",),
    "set_status": (ConversationStatus.ARCHIVED,),
    "set_metadata": ({"a": 1},),
    "end": (),
    "change": (),
    "delete": (),
    "add_message": (NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="hi"),),
    "list_messages": (),
    "get_message": (MessageId(UNKNOWN),),
    "path": (),
    "siblings": (MessageId(UNKNOWN),),
    "choose": (MessageId(UNKNOWN),),
    "fork": (MessageId(UNKNOWN),),
    "delete_message": (MessageId(UNKNOWN),),
}
"""Every other public method, with arguments that the owner could give."""


@pytest.fixture
async def engine(open_engine: OpenEngine) -> ConversationEngine:
    return await open_engine()


@pytest.fixture
def conversations(engine: ConversationEngine) -> ConversationService:
    return engine.conversations


def said(content: Any = "hi", **fields: Any) -> NewMessage:
    return NewMessage(**{"id": MessageId(new_id()), "role": MessageRole.USER, "content": content, **fields})


def nested(depth: int) -> list[Any]:
    document: list[Any] = []
    for _ in range(depth - 1):
        document = [document]
    return document


BAD = (
    {"nul": "\x00"},
    {"\x00": "nul in a key"},
    {"deep": [{"x": ["\x00"]}]},
    {"backslash and nul": "\\\x00"},
    {"two": "\\\\\x00"},
    {"half": "\ud83d"},
    {"\udc00": "half in a key"},
    {"nan": float("nan")},
    {"inf": [float("inf")]},
    {"minus": float("-inf")},
    {"bytes": b"x"},
    {"set": {1}},
    {"time": datetime(2026, 1, 1, tzinfo=UTC)},
    {"too deep": nested(3000)},
    {"huge": "x" * 300_000},
)
GOOD = (
    {"letters": "\\u0000"},
    {"backslashes": "\\\\u0000 \\\\\\\\u0000"},
    {"null": None, "no": False, "zero": 0, "empty": "", "list": [], "object": {}},
    {"big": 2**53, "small": -(2**53), "fraction": 0.1},
    {"text": "e\u0301 👩\u200d👧 \u2028 \r\n \ufeff"},
    {"deep": nested(50)},
)


class TestCreate:
    async def test_it_starts_empty_and_active(self, conversations: ConversationService) -> None:
        before = datetime.now(UTC)
        made = await conversations.create(NewConversation(owner_id=ADA))
        assert made == Conversation(
            id=made.id,
            owner_id=ADA,
            type="general",
            title=None,
            status=ConversationStatus.ACTIVE,
            system_prompt=None,
            model=None,
            on_busy=None,
            collection_ids=(),
            has_loans=False,
            persona_id=None,
            persona_version=None,
            supervisor_id=None,
            sampling=None,
            metadata={},
            message_count=0,
            last_sequence=0,
            active_leaf_id=None,
            is_branched=False,
            window=NO_OPTIONS,
            window_start=0,
            summarized_through=0,
            words_through=0,
            has_pins=False,
            input_tokens=0,
            output_tokens=0,
            cost=Decimal(0),
            created_at=made.created_at,
            updated_at=made.created_at,
            last_message_at=None,
            ended_at=None,
        )
        assert before <= made.created_at <= datetime.now(UTC)
        assert await conversations.get(made.id, owner_id=ADA) == made

    async def test_it_keeps_every_field(self, conversations: ConversationService) -> None:
        new = NewConversation(
            owner_id=UserId("Zoë | 1"),
            type="tutoring",
            title="Where\nto begin? 👩\u200d👧",
            system_prompt="Be brief.",
            model="openai/gpt-5-mini",
            metadata={"course": {"id": 7, "tags": ["a", None, True, 1.5]}, "": "\\u0000 as letters"},
        )
        made = await conversations.create(new)
        again = await conversations.get(made.id, owner_id=new.owner_id)
        for field in ("owner_id", "type", "title", "system_prompt", "model", "metadata"):
            assert getattr(again, field) == getattr(made, field) == getattr(new, field)

    async def test_metadata_is_copied(self, conversations: ConversationService) -> None:
        metadata: dict[str, Any] = {"tags": ["mine"]}
        made = await conversations.create(NewConversation(owner_id=ADA, metadata=metadata))
        metadata["tags"].append("changed later")
        assert made.metadata == {"tags": ["mine"]}
        made.metadata["tags"].append("changed too")
        assert (await conversations.get(made.id, owner_id=ADA)).metadata == {"tags": ["mine"]}

    async def test_two_never_share_their_metadata(self, conversations: ConversationService) -> None:
        one, two = [await conversations.create(NewConversation(owner_id=ADA)) for _ in range(2)]
        one.metadata["a"] = 1
        assert two.metadata == {}

    @pytest.mark.parametrize(
        "fields",
        [
            {"title": ""},
            {"title": " \n\t"},
            {"title": "x" * 501},
            {"title": "\x00"},
            {"title": "\ud800"},
            {"type": ""},
            {"type": "x" * 51},
            {"type": "\x00"},
            {"system_prompt": "\x00"},
            {"system_prompt": "x" * 200_001},
            {"model": ""},
            {"model": "x" * 256},
            {"model": "\ud800"},
            {"owner_id": ""},
            {"owner_id": "x" * 256},
            {"owner_id": "\x00"},
        ],
        ids=lambda fields: ascii({name: value[:8] for name, value in fields.items()}),
    )
    async def test_bad_text_is_refused(
        self, conversations: ConversationService, engine: ConversationEngine, fields: dict[str, str]
    ) -> None:
        with pytest.raises(InvalidInputError):
            await conversations.create(NewConversation(**{"owner_id": ADA, **fields}))
        assert (await conversations.list_of(ADA, ConversationFilter())).items == []


class TestJson:
    """Metadata and JSON content: kept exactly, or refused; never half."""

    @pytest.mark.parametrize("document", BAD, ids=range(len(BAD)))
    async def test_what_cannot_be_kept_is_refused(self, conversations: ConversationService, document: Any) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        for verb in (
            conversations.create(NewConversation(owner_id=ADA, metadata=document)),
            conversations.set_metadata(made.id, document, owner_id=ADA),
            conversations.add_message(made.id, said(document), owner_id=ADA),
            conversations.add_message(made.id, said([document]), owner_id=ADA),
            conversations.add_message(made.id, said(metadata=document), owner_id=ADA),
        ):
            with pytest.raises(InvalidInputError):
                await verb
        assert await conversations.get(made.id, owner_id=ADA) == made

    @pytest.mark.parametrize("document", GOOD, ids=range(len(GOOD)))
    async def test_what_can_be_kept_comes_back_equal(self, conversations: ConversationService, document: Any) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA, metadata=document))
        for content in (document, [document]):
            await conversations.add_message(made.id, said(content, metadata=document), owner_id=ADA)
        page = await conversations.list_messages(made.id, owner_id=ADA)
        assert (await conversations.get(made.id, owner_id=ADA)).metadata == document
        assert [message.content for message in page.items] == [document, [document]]
        assert [message.metadata for message in page.items] == [document] * 2

    @pytest.mark.parametrize("depth", [100, 150, 200, 260, 400, 700, 900, 950, 980])
    async def test_at_any_depth_what_is_taken_can_be_given_back(
        self, conversations: ConversationService, depth: int
    ) -> None:
        """Over HTTP too, whose serialiser stops at 255."""
        from conversation_engine.domains.conversations.schemas import ConversationOut, MessageOut

        document = {"deep": nested(depth)}
        made = await conversations.create(NewConversation(owner_id=ADA))
        try:
            await conversations.set_metadata(made.id, document, owner_id=ADA)
            await conversations.add_message(made.id, said(document), owner_id=ADA)
        except InvalidInputError:
            assert depth > 100
            return
        [message] = (await conversations.list_messages(made.id, owner_id=ADA)).items
        assert MessageOut.of(message).model_dump_json()
        assert ConversationOut.of(await conversations.get(made.id, owner_id=ADA)).model_dump_json()


class TestChange:
    async def test_rename_gives_a_title_up_to_its_limit(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        renamed = await conversations.rename(made.id, "x" * 500, owner_id=ADA)
        assert (renamed.title, renamed.updated_at >= made.updated_at) == ("x" * 500, True)
        for title in ("x" * 501, "", "  ", "\x00", "\ud800"):
            with pytest.raises(InvalidInputError):
                await conversations.rename(made.id, title, owner_id=ADA)
        assert await conversations.get(made.id, owner_id=ADA) == renamed

    async def test_set_metadata_replaces_all_of_it(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA, metadata={"a": 1}))
        assert (await conversations.set_metadata(made.id, {"b": 2}, owner_id=ADA)).metadata == {"b": 2}
        assert (await conversations.set_metadata(made.id, None, owner_id=ADA)).metadata == {}

    async def test_leaving_active_is_stamped_once_and_coming_back_clears_it(
        self, conversations: ConversationService
    ) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        ended = await conversations.end(made.id, owner_id=ADA)
        assert (ended.status, ended.ended_at) == (ConversationStatus.COMPLETED, ended.updated_at)
        assert await conversations.end(made.id, owner_id=ADA) == ended
        archived = await conversations.set_status(made.id, ConversationStatus.ARCHIVED, owner_id=ADA)
        assert archived.ended_at == ended.ended_at
        with pytest.raises(ConversationNotActiveError):
            await conversations.add_message(made.id, said(), owner_id=ADA)
        active = await conversations.set_status(made.id, ConversationStatus.ACTIVE, owner_id=ADA)
        assert active.ended_at is None
        assert (await conversations.add_message(made.id, said(), owner_id=ADA)).sequence_number == 1

    async def test_delete_leaves_nothing(self, conversations: ConversationService, engine: ConversationEngine) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        await conversations.add_message(made.id, said(), owner_id=ADA)
        await conversations.delete(made.id, owner_id=ADA)
        for table in ("conversations", "messages"):
            query = f"SELECT count(*) FROM {table}"
            assert await engine.database.read(lambda tx, query=query: tx.exec_driver_sql(query).scalar()) == 0
        with pytest.raises(ConversationNotFoundError):
            await conversations.delete(made.id, owner_id=ADA)


class TestAddMessage:
    @pytest.mark.parametrize("role", MessageRole)
    async def test_it_keeps_every_field(self, conversations: ConversationService, role: MessageRole) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        parent = await conversations.add_message(made.id, said("before"), owner_id=ADA)
        new = said(
            "text\r\n",
            role=role,
            status=MessageStatus.PARTIAL,
            token_count=3,
            cost=Decimal("0.000000000001"),
            parent_id=parent.id,
            metadata={"a": [1]},
        )
        message = await conversations.add_message(made.id, new, owner_id=ADA)
        assert message == Message(
            id=new.id,
            conversation_id=made.id,
            turn_id=None,
            parent_id=parent.id,
            llm_request_id=None,
            sequence_number=2,
            role=role,
            content="text\r\n",
            status=MessageStatus.PARTIAL,
            token_count=3,
            cost=Decimal("0.000000000001"),
            metadata={"a": [1]},
            created_at=message.created_at,
        )
        assert await conversations.get_message(made.id, new.id, owner_id=ADA) == message

    async def test_it_counts_tokens_where_nobody_has(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        message = await conversations.add_message(made.id, said("one two three"), owner_id=ADA)
        assert message.token_count == 3

    async def test_it_moves_the_totals(self, conversations: ConversationService) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        usage = Usage(input_tokens=5, output_tokens=7, cost=Decimal("0.1"))
        for _ in range(3):
            message = await conversations.add_message(made.id, said(), owner_id=ADA, usage=usage)
        after = await conversations.get(made.id, owner_id=ADA)
        assert (after.message_count, after.last_sequence) == (3, 3)
        assert (after.input_tokens, after.output_tokens, after.cost) == (15, 21, Decimal("0.3"))
        assert after.last_message_at == after.updated_at == message.created_at

    async def test_a_message_of_another_conversation_is_not_found(self, conversations: ConversationService) -> None:
        one, two = [await conversations.create(NewConversation(owner_id=ADA)) for _ in range(2)]
        message = await conversations.add_message(one.id, said(), owner_id=ADA)
        with pytest.raises(MessageNotFoundError):
            await conversations.get_message(two.id, message.id, owner_id=ADA)

    @pytest.mark.parametrize("content", ["", " \n", {}, [], "\x00", "\ud800", "x" * 200_001, ["x" * 200_001]])
    async def test_bad_content_is_refused(self, conversations: ConversationService, content: Any) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        with pytest.raises(InvalidInputError):
            await conversations.add_message(made.id, said(content), owner_id=ADA)
        assert await conversations.get(made.id, owner_id=ADA) == made


class TestOwner:
    def test_every_public_method_is_known_to_these_tests(self) -> None:
        public = {
            name for name, _ in inspect.getmembers(ConversationService, inspect.isfunction) if not name.startswith("_")
        }
        assert public - OF_A_ROOM - PURE - WITHOUT_A_CONVERSATION == set(SCOPED)

    @pytest.mark.parametrize("method", SCOPED)
    async def test_somebody_elses_is_forbidden_and_an_unknown_one_not_found(
        self, conversations: ConversationService, method: str
    ) -> None:
        made = await conversations.create(NewConversation(owner_id=ADA))
        verb = getattr(conversations, method)
        with pytest.raises(ConversationForbiddenError):
            await verb(made.id, *SCOPED[method], owner_id=EVE)
        with pytest.raises(ConversationNotFoundError):
            await verb(UNKNOWN, *SCOPED[method], owner_id=ADA)
        assert await conversations.get(made.id, owner_id=ADA) == made

    @pytest.mark.parametrize("method", sorted(SCOPED))
    @pytest.mark.parametrize("garbage", ["", "nonsense", "\x00", "\ud800", "x" * 10_000])
    async def test_what_is_no_id_is_refused(
        self, conversations: ConversationService, method: str, garbage: str
    ) -> None:
        """An embedding product hands over what its own callers sent."""
        with pytest.raises((InvalidIdError, ConversationNotFoundError)):
            await getattr(conversations, method)(ConversationId(garbage), *SCOPED[method], owner_id=ADA)

    async def test_a_list_is_of_the_owners_own(self, conversations: ConversationService) -> None:
        mine = await conversations.create(NewConversation(owner_id=ADA))
        await conversations.create(NewConversation(owner_id=EVE))
        assert [one.id for one in (await conversations.list_of(ADA, ConversationFilter())).items] == [mine.id]
