"""History that people edit: a tree of messages with an active path, and listings that stay what they were."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.conversations.errors import ConversationNotActiveError, MessageNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    BEGINNING,
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    NewConversation,
    NewMessage,
    Usage,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from tests.conftest import OpenEngine

ADA = UserId("ada")


@pytest.fixture
async def engine(open_engine: OpenEngine) -> ConversationEngine:
    return await open_engine()


@pytest.fixture
def conversations(engine: ConversationEngine) -> ConversationService:
    return engine.conversations


@pytest.fixture
async def talk(conversations: ConversationService) -> Conversation:
    return await conversations.create(NewConversation(owner_id=ADA, title="Tides", metadata={"a": 1}))


class Tree:
    """What Ada does to one conversation, by the letters that she says."""

    def __init__(self, conversations: ConversationService, talk: Conversation) -> None:
        self.conversations = conversations
        self.id = talk.id
        self.ids: dict[str, MessageId] = {}

    async def say(self, letter: str, *, under: str | None = None, **fields: Any) -> Message:
        parent_id = BEGINNING if under == "" else None if under is None else self.ids[under]
        new = NewMessage(
            id=MessageId(new_id()), role=MessageRole.USER, content=letter, **{"parent_id": parent_id, **fields}
        )
        message = await self.conversations.add_message(self.id, new, owner_id=ADA)
        self.ids[letter] = message.id
        return message

    async def say_all(self, letters: str) -> None:
        for letter in letters:
            await self.say(letter)

    async def path(self, **options: Any) -> str:
        page = await self.conversations.path(self.id, owner_id=ADA, **{"limit": 200, **options})
        return "".join(str(message.content) for message in page.items)

    async def all(self) -> str:
        page = await self.conversations.list_messages(self.id, owner_id=ADA, limit=200)
        return "".join(str(message.content) for message in page.items)

    async def delete(self, letter: str) -> int:
        return await self.conversations.delete_message(self.id, self.ids[letter], owner_id=ADA)

    async def now(self) -> Conversation:
        return await self.conversations.get(self.id, owner_id=ADA)


@pytest.fixture
def tree(conversations: ConversationService, talk: Conversation) -> Tree:
    return Tree(conversations, talk)


class TestAppend:
    async def test_a_message_follows_the_one_before(self, tree: Tree) -> None:
        messages = [await tree.say(letter) for letter in "abc"]
        assert [message.parent_id for message in messages] == [None, messages[0].id, messages[1].id]
        now = await tree.now()
        assert (now.active_leaf_id, now.is_branched) == (messages[2].id, False)
        assert await tree.path() == await tree.all() == "abc"

    async def test_a_named_parent_makes_a_branch(self, tree: Tree) -> None:
        await tree.say_all("abc")
        other = await tree.say("d", under="a")
        assert (other.parent_id, other.sequence_number) == (tree.ids["a"], 4)
        assert await tree.path() == "ad"
        assert await tree.all() == "abcd"
        await tree.say("e")
        assert await tree.path() == "ade"

    async def test_to_name_the_leaf_branches_nothing(self, tree: Tree) -> None:
        await tree.say("a", under="")
        await tree.say("b", under="a")
        assert not (await tree.now()).is_branched

    async def test_one_can_begin_anew(self, tree: Tree) -> None:
        await tree.say_all("ab")
        assert (await tree.say("c", under="")).parent_id is None
        assert await tree.path() == "c"

    async def test_a_parent_of_another_conversation_is_not_found(
        self, conversations: ConversationService, tree: Tree
    ) -> None:
        other = Tree(conversations, await conversations.create(NewConversation(owner_id=ADA)))
        await other.say("a")
        for parent_id in (other.ids["a"], MessageId(new_id())):
            with pytest.raises(MessageNotFoundError):
                await tree.say("b", parent_id=parent_id)
        with pytest.raises(InvalidIdError):
            await tree.say("b", parent_id="x")
        now = await tree.now()
        assert (now.message_count, now.last_sequence, now.active_leaf_id) == (0, 0, None)

    async def test_messages_written_at_once_are_one_line(self, tree: Tree) -> None:
        await asyncio.gather(*(tree.say(letter) for letter in "abcdefgh"))
        page = await tree.conversations.list_messages(tree.id, owner_id=ADA)
        ids = [message.id for message in page.items]
        assert [message.parent_id for message in page.items] == [None, *ids[:-1]]


class TestAppendReply:
    async def reply(self, engine: ConversationEngine, tree: Tree, under: MessageId | None) -> Message:
        new = NewMessage(id=MessageId(new_id()), role=MessageRole.ASSISTANT, content="R", parent_id=under)
        _, message = await engine.database.write(
            lambda tx: engine.conversations.append_reply(tx, tree.id, new, owner_id=ADA, usage=Usage())
        )
        return message

    async def test_what_was_said_meanwhile_stays_on_the_path(self, engine: ConversationEngine, tree: Tree) -> None:
        await tree.say_all("ab")
        await self.reply(engine, tree, tree.ids["a"])
        assert await tree.path() == "abR"
        assert not (await tree.now()).is_branched

    async def test_among_branches_it_follows_its_question(self, engine: ConversationEngine, tree: Tree) -> None:
        await tree.say_all("ab")
        await tree.say("c", under="a")
        assert (await self.reply(engine, tree, tree.ids["b"])).parent_id == tree.ids["b"]
        assert await tree.path() == "abR"

    async def test_a_question_that_was_deleted_meanwhile_leaves_no_dangling_reply(
        self, engine: ConversationEngine, tree: Tree
    ) -> None:
        await tree.say_all("ab")
        await tree.say("c", under="a")
        await tree.delete("c")
        await self.reply(engine, tree, tree.ids["c"])
        assert await tree.path() == "aR"


class TestPath:
    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
    @pytest.mark.parametrize("is_branched", [False, True])
    async def test_pages_meet_every_message_once_on_and_back(
        self, tree: Tree, newest_first: bool, limit: int, is_branched: bool
    ) -> None:
        await tree.say_all("ab")
        if is_branched:
            await tree.say("x", under="a")
            await tree.say("c", under="b")
        else:
            await tree.say("c")
        await tree.say_all("de")
        assert (await tree.now()).is_branched == is_branched

        async def read(cursor: str | None) -> Any:
            return await tree.conversations.path(
                tree.id, owner_id=ADA, cursor=cursor, limit=limit, newest_first=newest_first
            )

        page = await read(None)
        there = [message.content for message in page.items]
        while page.next:
            page = await read(page.next)
            there += [message.content for message in page.items]
        back = [message.content for message in page.items]
        while page.previous:
            page = await read(page.previous)
            back = [*[message.content for message in page.items], *back]
        assert there == back == list("edcba" if newest_first else "abcde")

    async def test_of_an_empty_conversation_is_empty(self, tree: Tree) -> None:
        assert await tree.path() == ""


class TestSiblings:
    async def test_are_the_versions_of_a_message_oldest_first(self, tree: Tree) -> None:
        await tree.say_all("ab")
        await tree.say("c", under="a")
        await tree.say("d", under="a")
        for letter in "bcd":
            siblings = await tree.conversations.siblings(tree.id, tree.ids[letter], owner_id=ADA)
            assert [message.content for message in siblings] == ["b", "c", "d"]

    async def test_of_a_first_message_are_first_messages_of_this_conversation(
        self, conversations: ConversationService, tree: Tree
    ) -> None:
        await Tree(conversations, await conversations.create(NewConversation(owner_id=ADA))).say("z")
        await tree.say_all("ab")
        await tree.say("c", under="")
        siblings = await conversations.siblings(tree.id, tree.ids["a"], owner_id=ADA)
        assert [message.content for message in siblings] == ["a", "c"]


class TestChoose:
    async def test_the_path_leads_to_the_newest_descendant(self, tree: Tree) -> None:
        await tree.say_all("abc")
        await tree.say("d", under="b")
        await tree.say("x", under="")
        chosen = await tree.conversations.choose(tree.id, tree.ids["a"], owner_id=ADA)
        assert chosen.active_leaf_id == tree.ids["d"]
        assert chosen == await tree.now()
        assert await tree.path() == "abd"
        await tree.conversations.choose(tree.id, tree.ids["c"], owner_id=ADA)
        assert await tree.path() == "abc"
        await tree.say("e")
        assert await tree.path() == "abce"

    async def test_in_one_line_it_changes_nothing(self, tree: Tree) -> None:
        await tree.say_all("abc")
        before = await tree.now()
        assert await tree.conversations.choose(tree.id, tree.ids["a"], owner_id=ADA) == before == await tree.now()

    async def test_what_is_not_there_is_not_found(self, tree: Tree) -> None:
        for verb in (tree.conversations.choose, tree.conversations.fork, tree.conversations.siblings):
            with pytest.raises(MessageNotFoundError):
                await verb(tree.id, MessageId(new_id()), owner_id=ADA)
            with pytest.raises(InvalidIdError):
                await verb(tree.id, MessageId("x"), owner_id=ADA)


class TestFork:
    async def test_it_copies_the_way_to_the_message(self, tree: Tree) -> None:
        await tree.say("a", token_count=7, metadata={"m": [1]}, status=MessageStatus.PARTIAL)
        await tree.say_all("bc")
        await tree.say("d", under="b")
        await tree.say("e")
        fork = await tree.conversations.fork(tree.id, tree.ids["c"], owner_id=ADA)
        assert (fork.title, fork.message_count, fork.last_sequence, fork.is_branched) == ("Tides", 3, 3, False)
        assert fork.metadata == {"a": 1, "forked_from": {"conversation_id": tree.id, "message_id": tree.ids["c"]}}
        copy = Tree(tree.conversations, fork)
        assert await copy.path() == await copy.all() == "abc"
        page = await tree.conversations.list_messages(fork.id, owner_id=ADA)
        ids = [message.id for message in page.items]
        assert not set(ids) & set(tree.ids.values())
        assert [message.parent_id for message in page.items] == [None, *ids[:-1]]
        assert [message.sequence_number for message in page.items] == [1, 2, 3]
        first = page.items[0]
        assert (first.token_count, first.metadata, first.status) == (7, {"m": [1]}, MessageStatus.PARTIAL)
        assert fork.active_leaf_id == ids[-1]

    async def test_it_has_cost_nothing_yet(self, tree: Tree) -> None:
        new = NewMessage(id=MessageId(new_id()), role=MessageRole.ASSISTANT, content="a", cost=Decimal(1))
        usage = Usage(input_tokens=1, output_tokens=2, cost=Decimal(1))
        await tree.conversations.add_message(tree.id, new, owner_id=ADA, usage=usage)
        fork = await tree.conversations.fork(tree.id, new.id, owner_id=ADA)
        assert (fork.input_tokens, fork.output_tokens, fork.cost) == (0, 0, 0)
        [copy] = (await tree.conversations.list_messages(fork.id, owner_id=ADA)).items
        assert copy.cost is None

    async def test_both_go_on_without_each_other(self, tree: Tree) -> None:
        await tree.say_all("ab")
        copy = Tree(tree.conversations, await tree.conversations.fork(tree.id, tree.ids["b"], owner_id=ADA))
        await copy.say("c")
        await tree.conversations.delete(tree.id, owner_id=ADA)
        assert await copy.path() == "abc"

    async def test_of_an_ended_conversation_is_active(self, tree: Tree) -> None:
        await tree.say("a")
        await tree.conversations.end(tree.id, owner_id=ADA)
        with pytest.raises(ConversationNotActiveError):
            await tree.say("b")
        copy = Tree(tree.conversations, await tree.conversations.fork(tree.id, tree.ids["a"], owner_id=ADA))
        await copy.say("b")


class TestDeleteMessage:
    async def test_what_follows_goes_too_and_the_path_ends_before(self, tree: Tree) -> None:
        await tree.say_all("abcd")
        assert await tree.delete("c") == 2
        now = await tree.now()
        assert (now.message_count, now.last_sequence, now.active_leaf_id) == (2, 4, tree.ids["b"])
        assert await tree.path() == await tree.all() == "ab"
        assert (await tree.say("e")).sequence_number == 5
        assert await tree.path() == "abe"

    async def test_every_branch_below_goes_and_others_stay(self, tree: Tree) -> None:
        await tree.say_all("abc")
        await tree.say("d", under="b")
        await tree.say("e", under="a")
        assert await tree.delete("b") == 3
        assert await tree.all() == await tree.path() == "ae"
        assert (await tree.now()).message_count == 2

    async def test_of_all_leaves_an_empty_conversation(self, tree: Tree) -> None:
        await tree.say_all("ab")
        assert await tree.delete("a") == 2
        now = await tree.now()
        assert (now.message_count, now.active_leaf_id, await tree.path()) == (0, None, "")
        assert (await tree.say("c")).parent_id is None

    async def test_twice_is_not_found(self, tree: Tree) -> None:
        await tree.say("a")
        await tree.delete("a")
        with pytest.raises(MessageNotFoundError):
            await tree.delete("a")

    async def test_and_messages_at_once_leave_no_dangling_child(self, engine: ConversationEngine, tree: Tree) -> None:
        await tree.say_all("abc")
        later = [tree.say(letter) for letter in "defg"]
        await asyncio.gather(*later[:2], tree.delete("b"), *later[2:])
        now, everything = await tree.now(), await tree.all()
        assert now.message_count == len(everything)
        assert await tree.path() == everything

    async def test_a_long_conversation_goes_in_one_piece(self, engine: ConversationEngine, tree: Tree) -> None:
        """SQLite gives up on cascades that are a thousand levels deep."""
        messages = 1500

        def work(tx: Any) -> None:
            for number in range(messages):
                new = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=str(number), token_count=1)
                tree.ids.setdefault(str(number), new.id)
                engine.conversations.append(tx, ConversationId(tree.id), new, owner_id=ADA)

        await engine.database.write(work)
        fork = await tree.conversations.fork(tree.id, tree.ids["1499"], owner_id=ADA)
        assert fork.message_count == messages
        assert await tree.delete("1") == messages - 1
        await tree.conversations.delete(fork.id, owner_id=ADA)
        await tree.conversations.delete(tree.id, owner_id=ADA)
