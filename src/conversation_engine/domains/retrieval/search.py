"""One search, from the question to passages with the words that matched."""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Final

from conversation_engine.domains.llm.embeddings.errors import EmbeddingsOffError
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.embeddings.types import QueryVector
from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.domains.retrieval.index.ports import SearchIndex
from conversation_engine.domains.retrieval.index.scoring import DEPTH
from conversation_engine.domains.retrieval.ports import Reranker
from conversation_engine.domains.retrieval.types import (
    Hit,
    IndexHit,
    IndexQuery,
    SearchOutcome,
    SearchRequest,
    Strategy,
)
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.observability.catalogue import CACHE_LOOKUPS, SEARCH_COSINE, SEARCH_SECONDS, SEARCHES
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.words.terms import term_of, terms_of, words_of
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.text import checked_text

QUERY_LIMIT_CHARACTERS: Final = 8000
TERMS_LIMIT: Final = 64
"""Distinct terms of a question that are looked for."""
MOST_HITS: Final = 100
MOST_HIGHLIGHTS: Final = 50
RELEVANT_COSINE: Final = 0.40
"""Below it, what is nearest to a question is not about it: see docs/retrieval.md for how this was measured."""
_log = get_logger(__name__)


@dataclass(slots=True)
class _Times:
    """How long each step took."""

    clock: Clock
    milliseconds: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._since = self.clock.monotonic()

    def note(self, step: str) -> None:
        now = self.clock.monotonic()
        self.milliseconds[step] = round((now - self._since) * 1000, 3)
        self._since = now


class Searcher:
    """Searches; who may read what, the index sees to."""

    def __init__(
        self,
        database: Database,
        *,
        index: SearchIndex,
        embeddings: EmbeddingService,
        clock: Clock,
        reranker: Reranker | None = None,
        recorder: Recorder = SILENCE,
    ) -> None:
        self._database = database
        self._index = index
        self._embeddings = embeddings
        self._clock = clock
        self._reranker = reranker
        self._recorder = recorder

    async def search(self, request: SearchRequest) -> SearchOutcome:
        """See `RetrievalService.search`. One statement on PostgreSQL; no transaction is open while embedding."""
        checked_text(request.query, name="query", limit_characters=QUERY_LIMIT_CHARACTERS)
        if not 1 <= request.top_k <= MOST_HITS:
            raise InvalidInputError(f"`top_k` must be between 1 and {MOST_HITS}.", field="top_k")
        times = _Times(self._clock)
        vector, strategy = await self._vector(request)
        times.note("embed")
        terms = _counted(request.query) if strategy is not Strategy.DENSE else {}
        query = IndexQuery(
            reader_id=request.caller.user_id,
            collection_ids=request.collection_ids,
            borrower=request.borrower,
            terms=terms,
            vector=vector.vector if vector else None,
            model=self._embeddings.model,
            metadata=request.metadata,
            depth=DEPTH,
            count=request.top_k if self._reranker is None else DEPTH,
        )
        found, best = await self._database.read(lambda tx: self._index.search(tx, query))
        times.note("search")
        if self._reranker is not None and found:
            order = await self._reranker.rerank(query=request.query, passages=[hit.chunk.text for hit in found])
            found = [found[place] for place in order]
            times.note("rerank")
        hits = [_hit(hit, terms or _counted(request.query)) for hit in found[: request.top_k]]
        times.note("highlight")
        outcome = SearchOutcome(
            hits=hits,
            strategy=strategy,
            is_relevant=bool(hits) and (best is None or best >= RELEVANT_COSINE),
            best_cosine=best,
            was_query_cached=vector is not None and vector.was_cached,
            milliseconds=times.milliseconds,
        )
        self._note(outcome, is_embedded=vector is not None)
        return outcome

    def _note(self, outcome: SearchOutcome, *, is_embedded: bool) -> None:
        recorder = self._recorder
        result = "relevant" if outcome.is_relevant else "irrelevant" if outcome.hits else "empty"
        recorder.add(SEARCHES, str(outcome.strategy), result)
        for step, milliseconds in outcome.milliseconds.items():
            recorder.observe(SEARCH_SECONDS, milliseconds / 1000, step)
        if outcome.best_cosine is not None:
            recorder.observe(SEARCH_COSINE, outcome.best_cosine)
        if is_embedded:
            recorder.add(CACHE_LOOKUPS, "query_embedding", "hit" if outcome.was_query_cached else "miss")

    async def _vector(self, request: SearchRequest) -> tuple[QueryVector | None, Strategy]:
        if request.strategy is Strategy.LEXICAL:
            return None, Strategy.LEXICAL
        is_on = self._embeddings.model is not None and self._index.knows_vectors
        if not is_on and request.strategy is Strategy.DENSE:
            raise EmbeddingsOffError
        if not is_on:
            return None, Strategy.LEXICAL
        try:
            return await self._embeddings.query(request.query, owner_id=request.caller.user_id), request.strategy
        except ModelError as error:  # a service that is away must not take search by words with it
            if request.strategy is Strategy.DENSE:
                raise
            _log.warning("search.without_meaning", error=error.code)
            return None, Strategy.LEXICAL


def highlights(text: str, terms: Container[str]) -> Sequence[tuple[int, int]]:
    """Where words of `terms` stand in `text`, neighbours joined; code points from and to."""
    spans: list[tuple[int, int]] = []
    for word, start, end in words_of(text):
        if term_of(word) not in terms:
            continue
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        if len(spans) == MOST_HIGHLIGHTS:
            break
    return spans


def _counted(query: str) -> dict[str, int]:
    return dict(Counter(terms_of(query)).most_common(TERMS_LIMIT))


def _hit(hit: IndexHit, terms: Container[str]) -> Hit:
    return Hit(
        chunk=hit.chunk,
        score=hit.score,
        lexical=hit.lexical,
        dense=hit.dense,
        highlights=highlights(hit.chunk.text, terms),
    )
