"""Gone means gone: what is deleted is in no table, no index and no page of the file."""

from pathlib import Path
from typing import Any

import pytest

from conversation_engine.domains.retrieval.types import NewDocument, Strategy
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Tx
from tests.retrieval.scenes import ADA, BOB, add, found, rows

SECRET = "Zanzibarian xylophones quarrel"
TABLES = ("documents", "chunks", "chunk_vectors", "collection_terms", "upload_parts")


def traces(settings: Settings) -> list[str]:
    """Words of the secret that the database's files still hold, stemmed ones included."""
    path = Path(settings.resolved_database_url.removeprefix("sqlite:///"))
    raw = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
    return [word for word in ("Zanzibar", "zanzibar", "xylophon", "quarrel") if word.encode() in raw]


@pytest.fixture
def sqlite_only(settings: Settings) -> None:
    """Only there the files are ours to look into."""
    if "sqlite" not in settings.resolved_database_url:
        pytest.skip("PostgreSQL's pages are its own; vacuum wipes them")


class TestDocument:
    async def test_no_row_is_left(self, engine: ConversationEngine) -> None:
        kept, gone = await add(engine, "boats and tides"), await add(engine, SECRET * 3)
        await engine.retrieval.delete(gone.id, caller=ADA)
        assert await found(engine, "xylophones", strategy=Strategy.LEXICAL) == []
        [own] = (await engine.retrieval.list_collections(caller=ADA)).items
        assert (own.document_count, own.chunk_count) == (1, 1)
        await engine.retrieval.delete(kept.id, caller=ADA)
        assert [await rows(engine, table) for table in TABLES] == [0] * len(TABLES)

    @pytest.mark.usefixtures("sqlite_only")
    async def test_no_word_of_it_is_left_in_the_file(self, engine: ConversationEngine, settings: Settings) -> None:
        for number in range(30):  # so that the secret is merged into segments with others
            await add(engine, f"boats number {number} " * 30, name=f"{number}.md")
        gone = await add(engine, (SECRET + ". ") * 400)
        for number in range(30, 50):
            await add(engine, f"boats number {number} " * 30, name=f"{number}.md")
        assert len(traces(settings)) == 4
        await engine.retrieval.delete(gone.id, caller=ADA)
        await engine.jobs.drain()
        assert traces(settings) == []
        assert len(await found(engine, "boats", top_k=100)) == 50

    @pytest.mark.usefixtures("sqlite_only")
    async def test_an_upload_leaves_nothing_of_the_file_itself(
        self, engine: ConversationEngine, settings: Settings
    ) -> None:
        page = f"<p>tides</p><!-- {SECRET * 5000} -->"
        await add(engine, page, name="a.html")
        await engine.database.wipe_log()
        assert traces(settings) == []


class TestOwner:
    async def test_all_of_a_user_goes_and_nothing_of_others(
        self, engine: ConversationEngine, settings: Settings
    ) -> None:
        await add(engine, SECRET)
        await add(engine, "tides", caller=BOB)
        unread = NewDocument(name="b.md", content=(SECRET * 2).encode())
        await engine.retrieval.add(unread, caller=ADA)

        def erase(tx: Tx) -> Any:
            return engine.retrieval.erase_owner(tx, ADA.user_id)

        assert await engine.database.write(erase) == 1
        await engine.jobs.drain()
        assert await found(engine, "tides", caller=BOB) == ["note.md"]
        assert [await rows(engine, table) for table in TABLES] == [1, 1, 1, 1, 0]
        if "sqlite" in settings.resolved_database_url:
            assert traces(settings) == []
