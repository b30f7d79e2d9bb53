"""Search: one port, two databases, the same results."""

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from conversation_engine.domains.llm.embeddings.errors import EmbeddingsOffError
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.retrieval.errors import CollectionForbiddenError
from conversation_engine.domains.retrieval.index import postgres as postgres_index
from conversation_engine.domains.retrieval.types import NewDocument, Strategy
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.testing import ScriptedModel, WordEmbedder
from tests.retrieval.conftest import OpenLibrary
from tests.retrieval.scenes import ADA, BOB, add, collection, found, search, told

WORDS = re.findall(r"\w+", "boat sail harbour tide anchor wind storm rope mast keel crew port lamp chart reef buoy")


def invented(seed: int) -> str:
    """A text of some words, always the same for a seed."""
    dice = random.Random(seed)
    return " ".join(dice.choices(WORDS, weights=range(1, len(WORDS) + 1), k=dice.randint(3, 60)))


async def add_invented(engine: ConversationEngine, count: int) -> None:
    """So many documents, in order."""
    for number in range(count):
        new = NewDocument(name=f"{number}.md", content=invented(number).encode(), metadata={"even": number % 2 == 0})
        await engine.retrieval.add(new, caller=ADA)
    await engine.jobs.drain(seconds=100)


class TestSameResults:
    @pytest.mark.postgres
    async def test_both_databases_find_the_same_with_the_same_scores(
        self, postgres: Any, tmp_path: Path, settings: Settings
    ) -> None:
        if "sqlite" in settings.resolved_database_url:
            pytest.skip("once is enough")
        other = settings.model_copy(update={"database_url": SecretStr(f"sqlite:///{tmp_path}/twin.db")})
        queries = [invented(seed) for seed in range(1000, 1025)] + ["boat boat boat tide", "mast", "nothing known"]
        told_by = []
        for one in (settings, other):
            async with ConversationEngine(
                one, embedder=WordEmbedder(), providers={"scripted": ScriptedModel()}
            ) as engine:
                await add_invented(engine, 40)
                outcomes = [
                    await search(engine, query, strategy=strategy, top_k=20, metadata=metadata)
                    for query, strategy in itertools.product(queries, Strategy)
                    for metadata in ({}, {"even": True})
                ]
                told_by.append([told(outcome.hits) for outcome in outcomes])
        for ours, theirs in zip(*told_by, strict=True):
            assert [hit[:2] for hit in ours] == [hit[:2] for hit in theirs]
            for mine, yours in zip(ours, theirs, strict=True):
                assert mine[2] == pytest.approx(yours[2], abs=2e-6)
        assert sum(map(len, told_by[0])) > 1000


class TestLexical:
    async def test_rare_words_count_more_and_long_texts_less(self, engine: ConversationEngine) -> None:
        await add(engine, "boat harbour", name="rare.md")
        await add(engine, "boat sail", name="common.md")
        await add(engine, "boat sail " + "wind " * 100, name="long.md")
        assert await found(engine, "boat harbour", strategy=Strategy.LEXICAL) == ["rare.md", "common.md", "long.md"]

    async def test_scores_do_not_depend_on_what_others_keep(self, engine: ConversationEngine) -> None:
        await add(engine, "boat harbour")
        before = await search(engine, "harbour", strategy=Strategy.LEXICAL)
        for number in range(5):
            await add(engine, f"harbour harbour {number}", caller=BOB)
        after = await search(engine, "harbour", strategy=Strategy.LEXICAL)
        assert told(before.hits) == told(after.hits)

    @pytest.mark.parametrize(
        "query", ["!!! ???", "the of and", "'); DROP TABLE chunks; --", '"boat* NEAR(', "\\ & | ! :*"]
    )
    async def test_no_query_breaks_the_index(self, engine: ConversationEngine, query: str) -> None:
        await add(engine, "boat drop table")
        assert (await search(engine, query, strategy=Strategy.LEXICAL)).strategy is Strategy.LEXICAL
        assert await found(engine, "boat") == ["note.md"]

    async def test_headings_are_found_too(self, engine: ConversationEngine) -> None:
        await add(engine, "# Lighthouse\n\n" + "It stands on a rock. " * 120)
        outcome = await search(engine, "lighthouse", strategy=Strategy.LEXICAL)
        assert len(outcome.hits) > 1


class TestFusion:
    async def test_each_hit_says_what_each_part_thinks_of_it(self, engine: ConversationEngine) -> None:
        await add(engine, "boat harbour", name="both.md")
        await add(engine, "tide", name="other.md")
        first, second = (await search(engine, "boat harbour")).hits
        assert first.lexical is not None
        assert first.dense is not None
        assert (first.lexical.rank, first.dense.rank) == (1, 1)
        assert first.score == pytest.approx(2 / 61)
        assert second.lexical is None
        assert [first.chunk.text[start:end] for start, end in first.highlights] == ["boat", "harbour"]

    async def test_without_an_embedding_model_it_searches_by_words_and_says_so(self, open_library: OpenLibrary) -> None:
        engine = await open_library()
        engine.embeddings._embedder = None
        await add(engine, "boat")
        assert (await search(engine, "boat")).strategy is Strategy.LEXICAL
        with pytest.raises(EmbeddingsOffError):
            await search(engine, "boat", strategy=Strategy.DENSE)

    async def test_an_embedding_service_that_is_away_takes_only_meaning_with_it(
        self, open_library: OpenLibrary
    ) -> None:
        embedder = WordEmbedder()
        engine = await open_library(embedder)
        await add(engine, "boat")
        embedder.fail_with = OverloadedError()
        assert (await search(engine, "boat")).strategy is Strategy.LEXICAL
        with pytest.raises(OverloadedError):
            await search(engine, "boat", strategy=Strategy.DENSE)

    async def test_queries_are_embedded_once(self, open_library: OpenLibrary) -> None:
        embedder = WordEmbedder()
        engine = await open_library(embedder)
        outcomes = [await search(engine, "boat") for _ in range(3)]
        assert embedder.queries == ["boat"]
        assert [outcome.was_query_cached for outcome in outcomes] == [False, True, True]


class TestScope:
    async def test_nobody_finds_what_is_not_theirs(self, engine: ConversationEngine) -> None:
        document = await add(engine, "boat secret")
        for strategy in Strategy:
            assert await found(engine, "boat secret", caller=BOB, strategy=strategy) == []
        with pytest.raises(CollectionForbiddenError):
            await search(engine, "boat", caller=BOB, collection_ids=[document.collection_id])

    async def test_only_the_named_collections_are_searched(self, engine: ConversationEngine) -> None:
        one, two = await collection(engine, "one"), await collection(engine, "two")
        await add(engine, "boat one", name="1.md", collection_id=one)
        await add(engine, "boat two", name="2.md", collection_id=two)
        assert await found(engine, "boat", collection_ids=[two]) == ["2.md"]
        assert sorted(await found(engine, "boat", collection_ids=[one, two])) == ["1.md", "2.md"]
        assert await found(engine, "boat", collection_ids=[]) == []

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ({"kind": "law"}, ["0.md"]),
            ({"kind": "law", "year": 2001}, []),
            ({"year": 2001}, ["1.md"]),
            ({"open": True}, ["1.md"]),
            ({"open": 1}, []),
            ({"year": "2001"}, []),
            ({"share": 0.5}, ["0.md"]),
        ],
    )
    async def test_metadata_must_say_exactly_that(
        self, engine: ConversationEngine, wanted: dict[str, Any], names: list[str]
    ) -> None:
        await add(engine, "boat a", name="0.md", metadata={"kind": "law", "year": 2000, "share": 0.5})
        await add(engine, "boat b", name="1.md", metadata={"kind": "book", "year": 2001, "open": True})
        for strategy in Strategy:
            assert await found(engine, "boat", metadata=wanted, strategy=strategy) == names

    @pytest.mark.parametrize("wrong", [{"a b": 1}, {'x"y': 1}, {"": 1}])
    async def test_a_key_that_is_none_is_refused(self, engine: ConversationEngine, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidInputError):
            await search(engine, "boat", metadata=wrong)

    async def test_top_k_has_limits(self, engine: ConversationEngine) -> None:
        for number in range(4):
            await add(engine, f"boat {number}")
        assert len(await found(engine, "boat", top_k=3)) == 3
        for wrong in (0, 101):
            with pytest.raises(InvalidInputError):
                await search(engine, "boat", top_k=wrong)


@pytest.mark.postgres
class TestPostgres:
    @pytest.fixture(autouse=True)
    def only_there(self, settings: Settings) -> None:
        if "postgresql" not in settings.resolved_database_url:
            pytest.skip("PostgreSQL's own")

    async def test_many_passages_go_through_hnsw_and_the_nearest_is_found(
        self, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = await open_library()
        await add_invented(engine, 40)
        exact = [told((await search(engine, invented(n), strategy=Strategy.DENSE)).hits)[:5] for n in range(10)]
        monkeypatch.setattr(postgres_index, "EXACT_CHUNKS", 0)
        near = [told((await search(engine, invented(n), strategy=Strategy.DENSE)).hits)[:5] for n in range(10)]
        assert near == exact

    async def test_a_search_is_one_statement(self, engine: ConversationEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        await add(engine, "boat")
        index, statements = engine.retrieval._index, []

        def spied(tx: Any, query: Any) -> Any:
            from sqlalchemy import event

            event.listen(tx, "before_cursor_execute", lambda *details: statements.append(details[2]))
            return type(index).search(index, tx, query)  # type: ignore[arg-type]

        monkeypatch.setattr(index, "search", spied)
        assert await found(engine, "boat") == ["note.md"]
        assert len(statements) == 1

    async def test_without_pgvector_it_starts_and_searches_by_words(self, open_library: OpenLibrary) -> None:
        engine = await open_library()
        engine.retrieval._index._knows_vectors = False  # type: ignore[attr-defined]
        await engine.database.write(lambda tx: tx.execute(text("DROP EXTENSION vector CASCADE")))
        document = await add(engine, "boat")
        assert (document.status.value, document.embedded_count) == ("ready", 0)
        outcome = await search(engine, "boat")
        assert (outcome.strategy, len(outcome.hits)) == (Strategy.LEXICAL, 1)
        with pytest.raises(EmbeddingsOffError):
            await search(engine, "boat", strategy=Strategy.DENSE)
