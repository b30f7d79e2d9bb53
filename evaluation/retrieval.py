"""How well documents are found: on both databases, through the product's own doors.

`--data FOLDER` is searched for collections (`retrieval/NAME/corpus.jsonl`, `queries.jsonl`, `qrels.tsv`) and for
conversational questions with answers (`followup/*.jsonl`). Without it a few texts of our own show that all of it runs.
"""

import asyncio
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import SecretStr

from benchmarks.databases import empty_database
from benchmarks.table import Bar, print_table
from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.talk import MESSAGES_READ, Said
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.llm.embeddings.local import LocalEmbedder, is_installed
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.retrieval.ingestion.service import INGEST
from conversation_engine.domains.retrieval.parsing.child import Limits, read
from conversation_engine.domains.retrieval.parsing.outcome import Parsed
from conversation_engine.domains.retrieval.search import RELEVANT_COSINE
from conversation_engine.domains.retrieval.types import (
    CollectionId,
    NewChunk,
    NewCollection,
    NewDocument,
    SearchRequest,
    Strategy,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from evaluation.corpora import own_texts
from evaluation.ranking import ndcg, plain_bm25, reciprocal_rank

READER = Principal(user_id=UserId("reader"), role=Role.TEACHER)
PUBLISHED = {
    # nDCG@10 of BM25 (k1 0.9, b 0.4), of the same embedding model on whole documents, and of both merged (k = 60)
    "cranfield": (0.365, 0.400, 0.429),
    "cacm": (0.473, 0.456, 0.555),
}
REPRODUCTION_TOLERANCE = 0.02
MOST_QUESTIONS = 600
Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents, questions, and which document answers which."""

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]


class _Remembered(LocalEmbedder):
    """The second database need not wait for the same vectors again."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self._known: dict[bytes, Vector] = {}

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        new = [(key, text) for key, text in zip(keys, texts, strict=True) if key not in self._known]
        vectors = await super().embed_passages([text for _, text in new], owner_id=owner_id)
        self._known.update({key: vector for (key, _), vector in zip(new, vectors, strict=True)})
        return [self._known[key] for key in keys]

    async def aclose(self) -> None:
        """It serves another engine yet."""


class _InProcess:
    """Reads our own texts here: a process for each of some thousand would only measure their start."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def parse(self, content: bytes, *, name: str) -> Parsed:
        said = read(content, name=name, limits=self._limits)
        chunks = [
            NewChunk(
                ordinal=chunk["ordinal"],
                text=chunk["text"],
                heading=chunk["heading"],
                start_offset=chunk["start"],
                end_offset=chunk["end"],
                page=chunk["page"],
            )
            for chunk in said["chunks"]
        ]
        return Parsed(chunks=chunks, page_count=None, media_type=said["media_type"])


def measure(is_tiny: bool, data: Path | None) -> list[Bar]:
    """nDCG@10 by strategy and database, the threshold of relevance, and what a resolved question is worth."""
    if not is_installed():
        print("  the `retrieval` extra is not installed: nothing to measure")
        return []
    corpora = [_own()] if is_tiny or data is None else [*_corpora(data)]
    questions = [] if is_tiny or data is None else _questions(data)
    if not corpora and not questions:
        print(f"  no collections under {data}")
    return asyncio.run(_measure(corpora, questions))


async def _measure(corpora: Sequence[Corpus], questions: Sequence[Mapping[str, Any]]) -> list[Bar]:
    bars = [bar for corpus in corpora for bar in _reproduced(corpus)]
    embedder = _Remembered()
    for database in KINDS:
        async with _opened(database, embedder) as engine:
            homes = {corpus.name: await _ingest(engine, corpus.name, corpus.documents) for corpus in corpora}
            for corpus in corpora:
                bars += await _judge(engine, corpus, homes[corpus.name], database=database)
            if len(corpora) > 1:
                await _threshold(engine, corpora, homes, database=database)
            if questions:
                bars += await _conversational(engine, questions, database=database)
    return bars


@asynccontextmanager
async def _opened(database: Kind, embedder: _Remembered) -> AsyncIterator[ConversationEngine]:
    with empty_database(database) as url, tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=SecretStr(url), data_dir=Path(folder))
        async with ConversationEngine(settings, embedder=embedder) as engine:
            limits = Limits(pages=1, text=10_000_000, chunk=settings.chunk_limit_characters)
            engine.jobs._handlers[INGEST]._parser = _InProcess(limits)  # type: ignore[attr-defined]
            yield engine


def _reproduced(corpus: Corpus) -> list[Bar]:
    if corpus.name not in PUBLISHED:
        return []
    rank = plain_bm25(corpus.documents)
    own = fmean(ndcg(rank(query), corpus.relevant[name]) for name, query in corpus.queries.items())
    published = PUBLISHED[corpus.name][0]
    print(f"\n  {corpus.name}: plain BM25 {own:.3f}, published {published:.3f}")
    name = f"{corpus.name}: distance to the published BM25"
    return [Bar(name=name, measured=abs(own - published), limit=REPRODUCTION_TOLERANCE)]


async def _ingest(engine: ConversationEngine, name: str, documents: Mapping[str, str]) -> CollectionId:
    home = (await engine.retrieval.create_collection(NewCollection(name=name), caller=READER)).id
    for document, text in documents.items():
        content = f"{text}\n\n".encode()
        await engine.retrieval.add(
            NewDocument(name=document, content=content, collection_id=home, metadata={"name": document}), caller=READER
        )
    await engine.jobs.drain(seconds=3600)
    return home


async def _ranked(
    engine: ConversationEngine, query: str, home: CollectionId, strategy: Strategy
) -> tuple[list[str], float | None]:
    """Documents by their best passage."""
    outcome = await engine.retrieval.search(
        SearchRequest(caller=READER, query=query, strategy=strategy, top_k=50, collection_ids=[home])
    )
    names = [hit.chunk.metadata["name"] for hit in outcome.hits]
    return list(dict.fromkeys(names)), outcome.best_cosine


async def _judge(engine: ConversationEngine, corpus: Corpus, home: CollectionId, *, database: str) -> list[Bar]:
    scores = {}
    for strategy in Strategy:
        found = [
            ndcg((await _ranked(engine, query, home, strategy))[0], corpus.relevant[name])
            for name, query in corpus.queries.items()
        ]
        scores[strategy] = fmean(found)
    print_table(
        f"{corpus.name} on {database}: {len(corpus.documents)} documents, {len(corpus.queries)} queries",
        ("strategy", "nDCG@10"),
        [(strategy.value, f"{score:.3f}") for strategy, score in scores.items()],
    )
    if corpus.name not in PUBLISHED:
        return []
    bm25, _, fused = PUBLISHED[corpus.name]
    return [
        _bar(f"{corpus.name}, {database}: lexical", scores[Strategy.LEXICAL], bm25),
        _bar(f"{corpus.name}, {database}: rrf_fusion", scores[Strategy.RRF_FUSION], fused),
    ]


async def _threshold(
    engine: ConversationEngine, corpora: Sequence[Corpus], homes: Mapping[str, CollectionId], *, database: str
) -> None:
    """The best cosine of questions that a collection is about, and of those that another one is about."""
    near, far = list[float](), list[float]()
    for corpus in corpora:
        for query in corpus.queries.values():
            for name, home in homes.items():
                _, best = await _ranked(engine, query, home, Strategy.DENSE)
                (near if name == corpus.name else far).append(best or 0.0)
    rows = []
    for cosine in [place / 100 for place in range(30, 61, 5)]:
        kept = fmean(value >= cosine for value in near)
        refused = fmean(value < cosine for value in far)
        mark = " ←" if cosine == RELEVANT_COSINE else ""
        rows.append((f"{cosine:.2f}{mark}", f"{kept:.3f}", f"{refused:.3f}", f"{(kept + refused) / 2:.3f}"))
    print_table(
        f"threshold of relevance on {database}", ("cosine", "own kept", "others' refused", "balanced accuracy"), rows
    )


async def _conversational(
    engine: ConversationEngine, questions: Sequence[Mapping[str, Any]], *, database: str
) -> list[Bar]:
    """The answer among all answers: by the question as asked, as the product resolves it, and as a person would."""
    home = await _ingest(engine, "answers", {str(place): row["answer"] for place, row in enumerate(questions)})
    follow_ups = [(str(place), row) for place, row in enumerate(questions) if row["is_follow_up"]]
    reader = QuestionReader(load_weights(), intents={})
    ways: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
        "as asked": lambda row: row["query"],
        "as resolved": lambda row: _resolved(reader, row),
        "by a person": lambda row: row["rewrite"],
    }
    strategies = (Strategy.LEXICAL, Strategy.RRF_FUSION)
    means = {
        (way, strategy): fmean(
            [
                reciprocal_rank((await _ranked(engine, say(row), home, strategy))[0], answer)
                for answer, row in follow_ups
            ]
        )
        for way, say in ways.items()
        for strategy in strategies
    }
    rows = [(strategy.value, *(f"{means[way, strategy]:.3f}" for way in ways)) for strategy in strategies]
    title = f"follow-up questions on {database}: {len(follow_ups)} questions, {len(questions)} answers, MRR@10"
    print_table(title, ("strategy", *ways), rows)
    gain = means["as resolved", Strategy.RRF_FUSION] - means["as asked", Strategy.RRF_FUSION]
    return [_bar(f"{database}: gain of the resolved question", gain, 0.1)]


def _resolved(reader: QuestionReader, row: Mapping[str, Any]) -> str:
    """As a turn looks it up: by rules, from the newest messages before it."""
    said = [Said(number, one["role"], one["content"]) for number, one in enumerate(row["history"], start=1)]
    return reader.understand(row["query"], [one for one in said if one.text][-MESSAGES_READ:]).standalone


def _corpora(data: Path) -> Iterator[Corpus]:
    folder = data / "retrieval" if (data / "retrieval").is_dir() else data
    for path in sorted(folder.glob("*/corpus.jsonl")):
        relevant: dict[str, dict[str, int]] = defaultdict(dict)
        for line in (path.parent / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            if int(grade) > 0:
                relevant[query][document] = int(grade)
        documents = {row["_id"]: f"{row['title']}\n\n{row['text']}".strip() for row in _rows(path)}
        queries = {row["_id"]: row["text"] for row in _rows(path.with_name("queries.jsonl")) if row["_id"] in relevant}
        documents = {name: text for name, text in documents.items() if text}
        yield Corpus(name=path.parent.name, documents=documents, queries=queries, relevant=relevant)


def _questions(data: Path) -> Sequence[Mapping[str, Any]]:
    rows = [row for path in sorted(data.glob("followup/qrecc*.jsonl")) for row in _rows(path)]
    seen: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if len(row.get("answer") or "") > 20:
            seen.setdefault(row["answer"], row)
    return list(seen.values())[:MOST_QUESTIONS]


def _own() -> Corpus:
    """Each of our own passages is what its first five words ask for."""
    passages = [text for texts in own_texts().values() for text in texts][:20]
    documents = {str(place): text for place, text in enumerate(passages)}
    queries = {name: " ".join(text.split()[:5]) for name, text in documents.items() if any(map(str.isalnum, text))}
    return Corpus(name="own", documents=documents, queries=queries, relevant={name: {name: 1} for name in queries})


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _bar(name: str, measured: float, limit: float) -> Bar:
    return Bar(name=name, measured=round(measured, 3), limit=limit, is_ceiling=False)
