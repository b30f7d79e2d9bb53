"""Finding what was said: the same before the index knows of it and after."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, make_url, update

from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.metadata import schema
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.words.messages import read, text_of
from conversation_engine.insights.search import service
from conversation_engine.insights.search.errors import NothingSoughtError
from conversation_engine.insights.search.indexing import service as indexing
from conversation_engine.insights.search.terms import places, snippet, sought
from conversation_engine.insights.search.types import Order, SearchFilter, Whose
from conversation_engine.kernel.errors import InvalidCursorError, InvalidInputError
from conversation_engine.kernel.ids import MessageId, UserId
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from tests.conftest import OpenEngine
from tests.insights.scenes import talk
from tests.people.scenes import ADA, BOB, ROOT, TESS, client_of
from tests.turns.scenes import count

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Foxes are quick, and so are their cubs; brown they are too.",
    "Ein Fuchs läuft über die Brücke zum Café.",
    "She refunded the organization's invoice 4711.",
    "狐狸跳过懒狗",
    "O'Brien said: don't pay twice!",
    "I'll run with the ill universe.",
)
FINDS = {
    "fox": [1, 0],  # in any form
    "quick brown": [1, 0],  # both, anywhere
    '"quick brown"': [0],  # next to each other
    '"quick brown': [0],  # a quote that nobody closed
    "bru*": [2],  # accents are no letters of their own
    "CAFE": [2],
    "organiz* 4711": [3],
    '"organization\'s invoice"': [3],
    "refund": [3],
    "跳过": [4],
    "don't": [5],
    '"don’t pay"': [5],
    "don*": [5],
    "o'brien": [5],
    "obr*": [5],
    "ill": [6],
    "i'll": [6],
    '"i\'ll run"': [6],
    '"ill run"': [],  # "I'll" is not "ill"
    "running": [6],  # the word is its own stem
    "universe": [6],
    "universal": [],
    '"foxes are" fox': [1],  # the stem is another word
    "the": [6, 3, 0],  # a word that everybody uses is one all the same
    "twice*": [5],
    "fox zebra": [],
    "fo": [],  # not a beginning unless that is said
    "OR": [],
    "fox*) NOT (*": [],  # no language of a database's
    '"lazy dog" *': [0],
}
EAGER: dict[str, Any] = {"search_index_seconds": 0, "statistics_seconds": 0}


async def say(engine: ConversationEngine, here: Conversation, text: Any, **fields: Any) -> MessageId:
    new = NewMessage(**{"id": MessageId(new_id()), "role": MessageRole.USER, "content": text, **fields})
    return (await engine.conversations.add_message(here.id, new, owner_id=here.owner_id)).id


async def found(engine: ConversationEngine, query: str, who: Principal = ADA, **asked: Any) -> list[str]:
    """What is found, in order."""
    page = await engine.insights.search.search(who, query, **asked)
    return [hit.said.message_id for hit in page.hits]


class TestSearch:
    async def test_the_same_is_found_before_the_index_has_it_and_after(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        here, other = await talk(engine, ADA.user_id), await talk(engine, BOB.user_id)
        ids = [await say(engine, here, text) for text in TEXTS]
        for text in TEXTS:
            await say(engine, other, text)
        expected = {query: [ids[number] for number in numbers] for query, numbers in FINDS.items()}
        assert {query: await found(engine, query) for query in FINDS} == expected
        assert await engine.insights.indexer.index() == 2 * len(TEXTS)
        assert await engine.insights.indexer.index() == 0
        assert {query: await found(engine, query) for query in FINDS} == expected
        assert {query: len(await found(engine, query, order=Order.BEST)) for query in FINDS} == {
            query: len(numbers) for query, numbers in FINDS.items()
        }
        late = await say(engine, here, "Another fox.")
        assert await found(engine, "fox") == [late, ids[1], ids[0]]

    async def test_a_hit_shows_where(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id, title="Animals")
        await say(engine, here, "word " * 200 + "the foxes and a fox " + "word " * 200)
        for _ in range(2):
            [hit] = (await engine.insights.search.search(ADA, "fox")).hits
            assert [hit.snippet[start:end] for start, end in hit.highlights] == ["foxes", "fox"]
            assert (hit.snippet[0], hit.snippet[-1], hit.said.title) == ("…", "…", "Animals")
            await engine.insights.indexer.index()

    async def test_pages_follow_each_other_in_either_order(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id)
        ids = [await say(engine, here, "fox " * (number % 4 + 1) + "and words " * 3) for number in range(11)]
        for _ in range(12):
            await say(engine, here, "something else")
        await engine.insights.indexer.index()
        ids += [await say(engine, here, "a new fox") for _ in range(2)]
        for order in Order:
            seen: list[str] = []
            cursor = None
            while True:
                page = await engine.insights.search.search(ADA, "fox", order=order, cursor=cursor, limit=4)
                seen += [hit.said.message_id for hit in page.hits]
                if (cursor := page.next) is None:
                    break
            assert sorted(seen) == sorted(ids), order
            if order is Order.NEWEST:
                assert seen == ids[::-1]
            else:
                assert seen[:2] == ids[:-3:-1]
                assert {ids.index(one) % 4 for one in seen[2:4]} == {3}

    async def test_postgresql_looks_for_beginnings_in_the_index_of_words_however_many_it_expects(
        self, open_engine: OpenEngine, database_url: str
    ) -> None:
        if database_url.startswith("sqlite"):
            pytest.skip("FTS5 has one way to go")
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id)
        expected = [await say(engine, here, f"fox{number}") for number in range(3)]
        await engine.insights.indexer.index()
        asked: list[str] = []

        def hear(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            asked.append(statement)

        event.listen(Engine, "before_cursor_execute", hear)
        try:
            assert await found(engine, "fo*") == expected[::-1]
            [by_beginning] = [one for one in asked if "@@" in one]
            assert await found(engine, "fox1") == [expected[1]]
            [by_word] = [one for one in asked if "@@" in one and one != by_beginning]
        finally:
            event.remove(Engine, "before_cursor_execute", hear)
        assert ("number + 0 DESC" in by_beginning, "number + 0" in by_word) == (True, False)

    async def test_filters_hold_for_what_is_new_and_what_is_old(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        session = await engine.sessions.start_conversation(ADA, (client := await client_of(engine)).id)
        plain = await talk(engine, ADA.user_id, type="rag_query")
        asked = await say(engine, session, "fox one")
        said = await say(engine, plain, "fox two", role=MessageRole.ASSISTANT)
        old = await say(engine, plain, [{"type": "text", "text": "fox three"}])
        messages, then = schema().tables["messages"], datetime(2019, 5, 1, tzinfo=UTC)
        aged = update(messages).where(messages.c.id == old).values(created_at=then)
        await engine.database.write(lambda tx: tx.execute(aged))
        for _ in range(2):
            for wanted, expected in (
                (SearchFilter(), [said, asked, old]),
                (SearchFilter(role="assistant"), [said]),
                (SearchFilter(type="rag_query"), [said, old]),
                (SearchFilter(client_id=client.id), [asked]),
                (SearchFilter(conversation_id=session.id), [asked]),
                (SearchFilter(start=then, end=then + timedelta(microseconds=1)), [old]),
                (SearchFilter(start=then + timedelta(microseconds=1)), [said, asked]),
                (SearchFilter(end=then), []),
            ):
                assert sorted(await found(engine, "fox", wanted=wanted)) == sorted(expected), wanted
            await engine.insights.indexer.index()
        assert await found(engine, "fox") == [said, asked, old]

    async def test_what_is_deleted_or_erased_is_not_found_and_leaves_nothing(
        self, open_engine: OpenEngine, database_url: str
    ) -> None:
        engine = await open_engine(**EAGER)
        here, other = await talk(engine, ADA.user_id), await talk(engine, ADA.user_id)
        kept = await say(engine, here, "quokka one")
        gone = await say(engine, here, "quokka xylograph")
        await say(engine, other, "quokka zeugmatic")
        bobs = await say(engine, await talk(engine, BOB.user_id), "quokka")
        await engine.insights.indexer.index()
        await engine.conversations.delete_message(here.id, gone, owner_id=ADA.user_id)
        assert await found(engine, "xylograph") == []
        await engine.conversations.delete(other.id, owner_id=ADA.user_id)
        assert await found(engine, "quokka") == [kept]
        await engine.records.erase(ROOT, ADA.user_id)
        assert (await count(engine, "message_terms"), await count(engine, "search_readers")) == (1, 1)
        assert await found(engine, "quokka", BOB) == [bobs]
        await engine.insights.indexer.scrub()
        if database_url.startswith("sqlite"):
            pages = b"".join(
                path.read_bytes() for path in Path(str(make_url(database_url).database)).parent.glob("*.db*")
            )
            assert b"quokka" in pages
            for word in (b"xylograph", b"zeugma", b"1w_"):
                assert word not in pages, word

    async def test_a_log_that_is_read_is_wiped_in_a_later_round(
        self, open_engine: OpenEngine, database_url: str
    ) -> None:
        if not database_url.startswith("sqlite"):
            pytest.skip("PostgreSQL's log is the operator's to keep")
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id)
        await say(engine, here, "xylograph")
        await engine.insights.indexer.index()
        path = Path(str(make_url(database_url).database))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
            await engine.conversations.delete(here.id, owner_id=ADA.user_id)
            await engine.insights.indexer.scrub()
            assert b"xylograph" in Path(f"{path}-wal").read_bytes()
        await engine.insights.indexer.scrub()
        assert not [file for file in path.parent.glob("*.db*") if b"xylograph" in file.read_bytes()]

    async def test_a_copy_of_a_conversation_is_found_beside_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id)
        said = await say(engine, here, "fox")
        await engine.insights.indexer.index()
        for _ in range(3):
            await engine.conversations.fork(here.id, said, owner_id=ADA.user_id)
        await engine.insights.indexer.index()
        assert len(await found(engine, "fox")) == 4

    async def test_too_much_that_is_new_is_said_not_to_be_complete(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "NEW_MESSAGES", 3)
        engine = await open_engine(**EAGER)
        here = await talk(engine, ADA.user_id)
        for _ in range(4):
            await say(engine, here, "fox")
        page = await engine.insights.search.search(ADA, "fox")
        assert (len(page.hits), page.is_complete) == (3, False)
        await engine.insights.indexer.index()
        page = await engine.insights.search.search(ADA, "fox")
        assert (len(page.hits), page.is_complete) == (4, True)

    async def test_the_background_does_it_by_itself(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(search_index_seconds=0.05, statistics_seconds=0.05)
        await say(engine, await talk(engine, ADA.user_id), "fox")
        for table in ("message_terms", "conversation_days"):
            while not await count(engine, table):
                pass

    async def test_after_much_to_catch_up_with_it_does_not_rest_from_its_rests(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(indexing, "MESSAGES_AT_ONCE", 1)
        monkeypatch.setattr(indexing, "QUIET_REST_TIMES", 40)
        engine = await open_engine(search_index_seconds=0.01, statistics_seconds=0)
        here = await talk(engine, ADA.user_id)
        for expected in (4, 5):  # the first round takes about a second, forty times of that would be too long
            while await count(engine, "messages") < expected:
                await say(engine, here, "fox")
            async with asyncio.timeout(20):
                while await count(engine, "message_terms") < expected:
                    await asyncio.sleep(0.01)


class TestWhose:
    async def test_a_teacher_finds_what_was_said_to_their_clients_alone(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        told = await say(engine, session, "fox to Maria")
        await say(engine, await talk(engine, ADA.user_id), "fox in private")
        for _ in range(2):
            assert await found(engine, "fox", TESS, whose=Whose.CLIENTS) == [told]
            assert await found(engine, '"fox to"', TESS, whose=Whose.CLIENTS) == [told]
            assert await found(engine, "fox", TESS) == []
            assert await found(engine, "fox", BOB) == []
            theo = Principal(user_id=UserId("theo"), role=Role.TEACHER)
            assert await found(engine, "fox", theo, whose=Whose.CLIENTS) == []
            await engine.insights.indexer.index()

    async def test_an_admin_may_look_at_somebodys_and_leaves_a_trace(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        said = await say(engine, await talk(engine, ADA.user_id), "fox")
        assert await found(engine, "fox", ROOT, user_id=ADA.user_id) == [said]
        [event] = (await engine.audit.list_of(ROOT, AuditFilter(action="messages.searched"))).items
        assert (event.deed.actor_id, event.deed.subject_id) == ("root", "ada")
        for asked in ({"user_id": ADA.user_id}, {"whose": Whose.CLIENTS}):
            with pytest.raises(RoleForbiddenError):
                await found(engine, "fox", BOB, **asked)

    async def test_what_makes_no_sense_is_refused(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(**EAGER)
        for query in ("", "  ", "?!", '""', "*"):
            with pytest.raises(NothingSoughtError):
                await found(engine, query)
        for cursor in ("x", "WzAsMSwieCJd", "WzAsMSwiOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5Il0"):
            with pytest.raises(InvalidCursorError):
                await found(engine, "fox", cursor=cursor)
        with pytest.raises(InvalidInputError):
            await found(engine, "fox", limit=0)


class TestText:
    def test_is_what_a_message_says_whatever_else_it_holds(self) -> None:
        image = {"type": "image", "url": "data:image/png;base64,fox", "detail": "auto"}
        assert text_of({"parts": [{"type": "text", "text": "a fox"}, image]}) == "a fox"
        assert text_of({"anything": "else"}) == ""


class TestSnippets:
    def test_the_piece_with_most_of_it_is_shown(self) -> None:
        text = "fox " + "x" * 300 + " fox and fox"
        piece, highlights = snippet(text, places(sought("fox"), read(text)) or [])
        assert [piece[start:end] for start, end in highlights] == ["fox", "fox"]

    def test_what_overlaps_is_one(self) -> None:
        text = "quick brown fox"
        assert places(sought('"quick brown" bro* fox'), read(text)) == [(0, 11), (12, 15)]
