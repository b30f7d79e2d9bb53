"""What search costs beyond the database's own work, how it grows, and what a selective owner does to it."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Literal
from uuid import UUID

import numpy as np
from pydantic import SecretStr
from sqlalchemy import text

from benchmarks.databases import empty_database
from benchmarks.table import Bar, print_table
from conversation_engine.domains.llm.embeddings.local import LocalEmbedder, is_installed
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.retrieval.types import (
    IndexQuery,
    NewCollection,
    NewDocument,
    SearchRequest,
    Strategy,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.base import VectorType
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

DIMENSIONS = 384
TERMS_A_CHUNK = 80
VOCABULARY = 20_000
FLATTENED = 100
SHARES = (("all", 1.0), ("1 %", 0.01), ("0.1 %", 0.001))
ROUNDS = 30
MODEL = "bench/vectors"
SQLITE_ADDED_MS = 5.0
POSTGRES_RATIO = 1.5
LARGE_MS = 50.0
LARGE_CHUNKS = 200_000
INGESTED = 200
INGESTION_SHARE = 0.7


class _Vectors:
    """An `Embedder` that costs nothing: a vector drawn by the text, near one of a thousand topics."""

    model = MODEL

    def __init__(self) -> None:
        self._topics = np.random.default_rng(7).normal(size=(1000, DIMENSIONS)).astype("<f4")

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        return [self.draw(hash(text)) for text in texts]

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        return self.draw(hash(text))

    async def aclose(self) -> None:
        return None

    def draw(self, seed: int) -> Vector:
        dice = np.random.default_rng(abs(seed))
        vector = self._topics[dice.integers(1000)] + dice.normal(size=DIMENSIONS).astype("<f4") * 0.7
        return Vector((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


def measure(is_tiny: bool) -> list[Bar]:
    """Two sizes of a shop of documents, three owners who may read all, a hundredth and a thousandth of it."""
    bars: list[Bar] = []
    for kind in ("sqlite", "postgresql"):
        for chunks in (2000,) if is_tiny else (20_000, LARGE_CHUNKS):
            bars += asyncio.run(_measure(kind, chunks, rounds=3 if is_tiny else ROUNDS))
        if is_installed() and not (is_tiny and kind == "postgresql"):
            bars.append(asyncio.run(_ingested(kind, passages=10 if is_tiny else INGESTED)))
    return bars


async def _ingested(kind: Literal["sqlite", "postgresql"], *, passages: int) -> Bar:
    """A document read, cut, indexed and embedded, beside the model alone on the same passages; in turn, halves each."""
    dice = Random(5)
    halves = ["\n\n".join(_paragraph(dice) for _ in range(passages // 2)) for _ in range(2)]
    model, seconds, count = LocalEmbedder(threads=1), {"ours": 0.0, "alone": 0.0}, 0
    owner = Principal(user_id=UserId("reader"), role=Role.STUDENT)
    with empty_database(kind) as url:
        async with ConversationEngine(Settings(database_url=SecretStr(url)), embedder=model) as engine:
            await model.embed_query("warm", owner_id=owner.user_id)
            for half in halves:
                began = time.perf_counter()
                new = NewDocument(name="book.txt", content=half.encode())
                document = (await engine.retrieval.add(new, caller=owner)).document
                await engine.jobs.drain(seconds=1800)
                seconds["ours"] += time.perf_counter() - began
                ids = [f"{document.id}:{place}" for place in range(passages)]
                texts = [chunk.text for chunk in await engine.retrieval.passages(ids, reader_id=owner.user_id)]
                count += len(texts)
                began = time.perf_counter()
                await model.embed_passages(texts, owner_id=owner.user_id)
                seconds["alone"] += time.perf_counter() - began
    rows = [(name, f"{count / taken:.1f}") for name, taken in seconds.items()]
    print_table(f"{kind}: {count} passages of a document, passages a second", ("", "passages/s"), rows)
    share = seconds["alone"] / seconds["ours"]
    return Bar(
        name=f"{kind}: ingestion, of the model's own speed", measured=share, limit=INGESTION_SHARE, is_ceiling=False
    )


def _paragraph(dice: Random) -> str:
    """About as many characters as a passage may have, in words of a dictionary's length."""
    words = ("the", "harbour", "captain", "measured", "weather", "of", "an", "island", "slowly", "brought")
    return " ".join(dice.choice(words) for _ in range(150))


async def _measure(kind: Literal["sqlite", "postgresql"], chunks: int, *, rounds: int) -> list[Bar]:
    with empty_database(kind) as url:
        settings = Settings(database_url=SecretStr(url), jobs_at_once=0)
        async with ConversationEngine(settings, embedder=_Vectors()) as engine:
            began = time.perf_counter()
            for name, share in SHARES:
                await _fill(engine, name, max(20, int(chunks * share)))
            await engine.database.write(lambda tx: engine.retrieval._index.prepare_vectors(tx, dimensions=DIMENSIONS))
            if kind == "postgresql":
                await engine.database.write(lambda tx: tx.execute(text("ANALYZE")))
            print(f"\n  {kind}: {chunks} passages written in {time.perf_counter() - began:.0f} s, embedding left out")
            # On SQLite all work is ours, and processor time does not hear what else the machine does.
            clock = time.process_time if kind == "sqlite" else time.perf_counter
            rows, bars = [], list[Bar]()
            for name, _ in SHARES:
                through, bare = await _timed(engine, name, rounds=rounds, clock=clock)
                rows.append((name, f"{through:.1f}", f"{bare:.1f}"))
                bars += _bars(kind, chunks, name, through=through, bare=bare)
            print_table(
                f"{kind}, {chunks} passages: p50 of a search, ms", ("owner reads", "search()", "the index alone"), rows
            )
            return bars


def _bars(kind: str, chunks: int, name: str, *, through: float, bare: float) -> list[Bar]:
    own = f"{kind}, {chunks} passages, owner of {name}"
    bars = [Bar(name=f"{own}: p50", measured=through, limit=LARGE_MS, unit=" ms")] if chunks >= LARGE_CHUNKS else []
    if kind == "sqlite":
        return [
            *bars,
            Bar(name=f"{own}: beside the database", measured=through - bare, limit=SQLITE_ADDED_MS, unit=" ms"),
        ]
    return [*bars, Bar(name=f"{own}: of the index alone", measured=through / bare, limit=POSTGRES_RATIO, unit="×")]


async def _timed(
    engine: ConversationEngine, name: str, *, rounds: int, clock: Callable[[], float]
) -> tuple[float, float]:
    """p50 in milliseconds by `clock` of the product's search, and of the index's part of it alone, in turn."""
    reader = Principal(user_id=UserId(name), role=Role.STUDENT)
    dice = Random(11)
    through, bare = [], []
    index = engine.retrieval._index
    for _ in range(rounds + 2):
        query = " ".join(_words(dice, 5))
        request = SearchRequest(caller=reader, query=query, strategy=Strategy.RRF_FUSION)
        vector = (await engine.embeddings.query(query, owner_id=reader.user_id)).vector
        terms = dict.fromkeys(query.split(), 1)
        asked = IndexQuery(
            reader_id=reader.user_id,
            collection_ids=None,
            borrower=None,
            terms=terms,
            vector=vector,
            model=MODEL,
            metadata={},
            depth=100,
            count=10,
        )

        def work(tx: Tx, asked: IndexQuery = asked) -> Any:
            return index.search(tx, asked)

        through.append(await _milliseconds(engine.retrieval.search(request), clock))
        bare.append(await _milliseconds(engine.database.read(work), clock))
    return statistics.median(through[2:]), statistics.median(bare[2:])


async def _milliseconds(call: Awaitable[Any], clock: Callable[[], float]) -> float:
    began = clock()
    await call
    return (clock() - began) * 1000


async def _fill(engine: ConversationEngine, owner: str, count: int) -> None:
    """`count` passages in one document of one owner, written as ingestion writes them, all in large batches."""
    caller = Principal(user_id=UserId(owner), role=Role.STUDENT)
    await engine.retrieval.create_collection(NewCollection(name="bench"), caller=caller)
    embedder, dice, index = _Vectors(), Random(owner), engine.retrieval._index
    number = await engine.database.read(
        lambda tx: tx.scalar(text("SELECT number FROM collections WHERE owner_id = :owner"), {"owner": owner})
    )
    await engine.database.write(lambda tx: _document(tx, owner, number))
    counts: dict[str, int] = {}
    for start in range(0, count, 2000):
        batch = []
        for place in range(start, min(start + 2000, count)):
            words = _words(dice, TERMS_A_CHUNK)
            for word in set(words):
                counts[word] = counts.get(word, 0) + 1
            batch.append(
                (place, " ".join(words), index.stored_terms(number, words), embedder.draw(dice.getrandbits(40)))
            )

        def work(tx: Tx, batch: Any = batch) -> None:
            _chunks(tx, owner, number, batch)

        await engine.database.write(work)
    await engine.database.write(lambda tx: _counts(tx, number, counts, count))


def _document(tx: Tx, owner: str, number: int) -> None:
    tx.execute(
        text(
            "INSERT INTO documents (id, collection_number, owner_id, name, media_type, size_bytes, content_hash, "
            "status, metadata, chunk_count, embedded_count, created_at, updated_at) VALUES (:id, :number, :owner, "
            "'bench', 'text', 0, :owner, 'ready', '{}', 0, 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
        ),
        {"id": _document_id(tx, owner), "number": number, "owner": owner},
    )


def _document_id(tx: Tx, owner: str) -> str:
    digits = f"{Random(owner).getrandbits(128):032x}"
    return digits if tx.dialect.name == "sqlite" else str(UUID(digits))


def _chunks(tx: Tx, owner: str, number: int, batch: Any) -> None:
    document = _document_id(tx, owner)
    kind = "TEXT" if tx.dialect.name == "sqlite" else "tsvector"
    columns = "collection_number, document_id, ordinal, term_count, start_offset, end_offset, heading, text, terms"
    values = f":n, :d, :o, :c, 0, 0, '', :t, CAST(:terms AS {kind})"
    insert = f"INSERT INTO chunks ({columns}) VALUES ({values})"  # noqa: S608 - of our own words
    rows = [
        {"n": number, "d": document, "o": place, "c": TERMS_A_CHUNK, "t": words, "terms": terms}
        for place, words, terms, _ in batch
    ]
    tx.execute(text(insert), rows)
    lowest = text("SELECT min(number) FROM chunks WHERE document_id = :d AND ordinal >= :o")
    first = tx.scalar(lowest, {"d": document, "o": batch[0][0]})
    bind = VectorType().bind_processor(tx.dialect) or (lambda value: value)
    tx.execute(
        text("INSERT INTO chunk_vectors (chunk_number, collection_number, vector) VALUES (:c, :n, :v)"),
        [{"c": first + place, "n": number, "v": bind(vector)} for place, (_, _, _, vector) in enumerate(batch)],
    )


def _counts(tx: Tx, number: int, counts: dict[str, int], chunks: int) -> None:
    tx.execute(
        text("INSERT INTO collection_terms (collection_number, term, chunk_count) VALUES (:n, :t, :c)"),
        [{"n": number, "t": term, "c": count} for term, count in counts.items()],
    )
    tx.execute(
        text(
            "UPDATE collections SET chunk_count = :c, term_count = :t, embedding_model = :m, "
            "embedding_dimensions = :d WHERE number = :n"
        ),
        {"c": chunks, "t": chunks * TERMS_A_CHUNK, "m": MODEL, "d": DIMENSIONS, "n": number},
    )


def _words(dice: Random, count: int) -> list[str]:
    """Words as they are in texts without stop words: a few are in every other passage, most are rare (Zipf)."""
    return [f"w{int(FLATTENED / max(1e-6, dice.random()) - FLATTENED) % VOCABULARY}x" for _ in range(count)]
