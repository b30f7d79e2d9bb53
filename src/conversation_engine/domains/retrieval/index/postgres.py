"""Search on PostgreSQL: `tsvector` and pgvector, one statement.

`ts_rank` knows no idf, so BM25 is computed here. How often a term occurs in a passage is what `ts_rank` of that term
alone says: with equal weights it is the sum of 1/n² up to that number, divided by π²/6, and the bucket that it falls
into is the number (PostgreSQL's `tsrank.c`, `calc_rank_or`).

Vectors of few passages are compared one by one, those of many through HNSW. Which of the two a statement does it
decides itself, by a condition that is looked at once: a filter that leaves a thousandth of all passages would make HNSW
walk through most of its graph.

The planner cannot know what is in `scope`. Of `=` it takes a collection to be of middling size and would rather read
every vector there is; of `BETWEEN` it assumes little and takes the index. `OFFSET 0` keeps it from sorting whole rows
where their scores will do.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import Float, Integer, Text

from conversation_engine.domains.retrieval.index.scope import lent
from conversation_engine.domains.retrieval.index.scoring import (
    BM25_B,
    BM25_K1,
    MOST_COLLECTIONS,
    MOST_REPEATS,
    POSTINGS_BUDGET,
    RRF_K,
    repeated,
)
from conversation_engine.domains.retrieval.types import (
    Chunk,
    CollectionId,
    DocumentId,
    IndexHit,
    IndexQuery,
    Place,
)
from conversation_engine.infra.db.base import IdType, JsonType, VectorType
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.observability.logs import get_logger

EXACT_CHUNKS: Final = 5000
"""Up to how many passages are compared one by one: about 2 µs each."""
HNSW_DIMENSIONS: Final = 2000
"""Longer vectors cannot be indexed by pgvector; they are compared one by one."""
_RANK_LIMIT: Final = math.pi**2 / 6
_log = get_logger(__name__)

_SCOPE = """
scope AS MATERIALIZED (
  SELECT number, id, chunk_count, term_count, embedding_model FROM collections
  WHERE ((owner_id = :reader OR is_shared){among}){lent} ORDER BY number LIMIT :most
)"""
_ALLOWED = """,
allowed AS MATERIALIZED (
  SELECT id, chunk_count FROM documents
  WHERE collection_number IN (SELECT number FROM scope) AND metadata @> CAST(:metadata AS jsonb)
)"""
_LEXICAL = """,
totals AS MATERIALIZED (
  SELECT sum(chunk_count)::float8 AS chunks, sum(term_count)::float8 AS terms FROM scope
), words AS MATERIALIZED (
  SELECT q.term, q.repeats, sum(t.chunk_count)::float8 AS chunks
  FROM unnest(:terms, :repeats) AS q(term, repeats) JOIN collection_terms t ON t.term = q.term
  WHERE t.collection_number IN (SELECT number FROM scope) GROUP BY q.term, q.repeats
), weights AS MATERIALIZED (
  SELECT w.term, w.repeats * ln(1 + (t.chunks - w.chunks + 0.5) / (w.chunks + 0.5)) AS weight
  FROM (
    SELECT term, repeats, chunks, sum(chunks) OVER (ORDER BY chunks, term COLLATE "C") AS read FROM words
  ) w, totals t
  WHERE w.read <= :budget OR w.read = w.chunks
), keys AS MATERIALIZED (
  SELECT ('''' || t.collection_number || '_' || t.term || '''')::tsquery AS key, w.weight
  FROM weights w JOIN collection_terms t ON t.term = w.term
  WHERE t.collection_number IN (SELECT number FROM scope)
), lexical AS MATERIALIZED (
  SELECT number, score, row_number() OVER (ORDER BY score DESC, number) AS rank FROM (
    SELECT c.number,
      round(sum(k.weight * c.tf / (c.tf + :floor + :slope * c.term_count * t.chunks / t.terms))::numeric, 9) AS score
    FROM keys k CROSS JOIN totals t CROSS JOIN LATERAL (
      SELECT number, term_count,
        width_bucket(ts_rank('{{1,1,1,1}}', terms, k.key)::float8, :steps)::float8 AS tf
      FROM chunks WHERE terms @@ k.key{allowed} OFFSET 0
    ) c
    GROUP BY c.number ORDER BY score DESC, c.number LIMIT :depth
  ) best
)"""
_DENSE = """,
size AS MATERIALIZED (
  SELECT {size} AS chunks, set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.ef_search', :breadth, true), set_config('hnsw.max_scan_tuples', '60000', true)
), exact AS (
  SELECT v.chunk_number AS number, ({vector} <#> {wanted}) + 0 AS distance
  FROM scope s CROSS JOIN LATERAL (
    SELECT chunk_number, vector FROM chunk_vectors WHERE collection_number BETWEEN s.number AND s.number OFFSET 0
  ) v{join}
  WHERE (SELECT chunks FROM size) <= {exact} AND s.embedding_model = :model{allowed}
  ORDER BY distance LIMIT :depth
), approximate AS (
  SELECT v.chunk_number AS number, {vector} <#> {wanted} AS distance FROM chunk_vectors v{join}
  WHERE (SELECT chunks FROM size) > {exact} AND cardinality(v.vector) = {dimensions}
    AND v.collection_number IN (SELECT number FROM scope WHERE embedding_model = :model){allowed}
  ORDER BY {vector} <#> {wanted} LIMIT :depth
), dense AS MATERIALIZED (
  SELECT number, score, row_number() OVER (ORDER BY score DESC, number) AS rank FROM (
    SELECT number, round((-distance)::numeric, 6) AS score
    FROM (SELECT * FROM exact UNION ALL SELECT * FROM approximate) near
  ) near
)"""
_RESULT = """
SELECT f.score, f.lexical_rank, f.lexical_score, f.dense_rank, f.dense_score, {best} AS best_cosine,
  c.document_id, c.ordinal, c.text, c.heading, c.start_offset, c.end_offset, c.page,
  d.name, d.metadata, s.id AS collection_id
FROM ({ranked} ORDER BY score DESC, number LIMIT :count) f
JOIN chunks c ON c.number = f.number JOIN documents d ON d.id = c.document_id
JOIN scope s ON s.number = c.collection_number ORDER BY f.score DESC, f.number"""
_RANKED: Final = {
    (True, False): "SELECT number, score, rank AS lexical_rank, score AS lexical_score, NULL::int AS dense_rank, "
    "NULL::float8 AS dense_score FROM lexical",
    (False, True): "SELECT number, score, NULL::int AS lexical_rank, NULL::float8 AS lexical_score, "
    "rank AS dense_rank, score AS dense_score FROM dense",
    (True, True): "SELECT number, round(coalesce(1.0 / (:k + l.rank), 0) + coalesce(1.0 / (:k + d.rank), 0), 9) "
    "AS score, l.rank AS lexical_rank, l.score AS lexical_score, d.rank AS dense_rank, d.score AS dense_score "
    "FROM lexical l FULL JOIN dense d USING (number)",
}


class PostgresIndex:
    """A `SearchIndex` over PostgreSQL; without pgvector it searches by words only."""

    def __init__(self) -> None:
        self._knows_vectors = False
        self._indexed: set[int] = set()

    @property
    def knows_vectors(self) -> bool:
        return self._knows_vectors

    def prepare(self, tx: Tx) -> None:
        if tx.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")):
            self._knows_vectors = True
        elif tx.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")):
            try:
                with tx.begin_nested():
                    tx.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS vector")
                self._knows_vectors = True
            except DBAPIError:
                _log.warning("retrieval.vectors_off", reason="this database user may not create the extension `vector`")
        else:
            _log.warning("retrieval.vectors_off", reason="the extension `vector` (pgvector) is not installed")

    def prepare_vectors(self, tx: Tx, *, dimensions: int) -> None:
        if dimensions in self._indexed or dimensions > HNSW_DIMENSIONS:
            return
        tx.exec_driver_sql(
            f"CREATE INDEX IF NOT EXISTS ix_chunk_vectors_hnsw_{int(dimensions)} ON chunk_vectors "
            f"USING hnsw ((vector::vector({int(dimensions)})) vector_ip_ops) "
            f"WHERE cardinality(vector) = {int(dimensions)}"
        )
        self._indexed.add(dimensions)

    def prepare_all_vectors(self, tx: Tx) -> None:
        """The same for all lengths that there are: in a copy they have come at once."""
        self.prepare(tx)
        if self._knows_vectors:
            for length in tx.scalars(text("SELECT DISTINCT cardinality(vector) FROM chunk_vectors")).all():
                self.prepare_vectors(tx, dimensions=length)

    def stored_terms(self, collection_number: int, terms: Sequence[str]) -> str:
        places: dict[str, list[str]] = {}
        for place, term in enumerate(repeated(terms), start=1):
            places.setdefault(term, []).append(str(min(place, 16_383)))
        return " ".join(f"'{collection_number}_{term}':{','.join(own)}" for term, own in places.items())

    def terms_in(self, tx: Tx, document_id: DocumentId) -> Counter[str]:
        return Counter({row.term: row.chunks for row in tx.execute(_TERMS_OF, {"document": document_id})})

    def search(self, tx: Tx, query: IndexQuery) -> tuple[Sequence[IndexHit], float | None]:
        if not query.terms and query.vector is None:
            return [], None
        rows = tx.execute(_statement(query), _values(query)).all()
        best = float(rows[0].best_cosine) if rows and rows[0].best_cosine is not None else None
        return [_hit(row) for row in rows], best


_TERMS_OF = text(
    "SELECT substr(lexeme, strpos(lexeme, '_') + 1) AS term, count(*) AS chunks "
    "FROM chunks, unnest(tsvector_to_array(terms)) AS lexeme WHERE document_id = :document GROUP BY 1"
).bindparams(bindparam("document", type_=IdType))
_COLUMNS: Final[dict[str, Any]] = {
    "score": Float(53),
    "lexical_score": Float(53),
    "dense_score": Float(53),
    "best_cosine": Float(53),
    "document_id": IdType,
    "collection_id": IdType,
    "metadata": JsonType,
}


def _steps() -> list[float]:
    """Thresholds between what `ts_rank` says of 0, 1, 2 … occurrences."""
    sums, total = [0.0], 0.0
    for number in range(1, MOST_REPEATS + 1):
        total += 1 / number**2
        sums.append(total / _RANK_LIMIT)
    return [(low + high) / 2 for low, high in pairwise(sums)]


_STEPS: Final = _steps()


def _statement(query: IndexQuery) -> Any:
    is_filtered, by_word, by_meaning = bool(query.metadata), bool(query.terms), query.vector is not None
    among = "" if query.collection_ids is None else " AND id = ANY(:ids)"
    parts = [_SCOPE.format(among=among, lent=lent(query))]
    if is_filtered:
        parts.append(_ALLOWED)
    if by_word:
        condition = " AND document_id IN (SELECT id FROM allowed)" if is_filtered else ""
        parts.append(_LEXICAL.format(allowed=condition))
    if query.vector is not None:
        parts.append(_dense(len(query.vector) // 4, is_filtered=is_filtered))
    best = "(SELECT max(score) FROM dense)" if by_meaning else "NULL::float8"
    result = _RESULT.format(ranked=_RANKED[by_word, by_meaning], best=best)
    return _typed(text("WITH" + "".join(parts) + result), query)


def _dense(dimensions: int, *, is_filtered: bool) -> str:
    own = "SELECT coalesce(sum(chunk_count), 0) FROM "
    size = f"({own}allowed)" if is_filtered else f"({own}scope WHERE embedding_model = :model)"
    return _DENSE.format(
        size=size,
        vector=f"(v.vector::vector({dimensions}))",
        wanted=f"CAST(CAST(:vector AS real[]) AS vector({dimensions}))",
        join=" JOIN chunks c ON c.number = v.chunk_number" if is_filtered else "",
        allowed=" AND c.document_id IN (SELECT id FROM allowed)" if is_filtered else "",
        exact=EXACT_CHUNKS if dimensions <= HNSW_DIMENSIONS else 2**31 - 1,
        dimensions=dimensions,
    )


def _typed(statement: TextClause, query: IndexQuery) -> Any:
    types: dict[str, Any] = {}
    if query.collection_ids is not None:
        types["ids"] = ARRAY(IdType)
    if query.borrower is not None:
        types["persona"] = IdType
    if query.terms:
        types |= {
            "terms": ARRAY(Text),
            "repeats": ARRAY(Integer),
            "steps": ARRAY(Float(53)),
            "floor": Float(53),
            "slope": Float(53),
        }
        types["budget"] = Float(53)
    if query.vector is not None:
        types["vector"] = VectorType()
    if query.metadata:
        types["metadata"] = JsonType
    bound = statement.bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    return bound.columns(**_COLUMNS)


def _values(query: IndexQuery) -> dict[str, Any]:
    values: dict[str, Any] = {"reader": query.reader_id, "most": MOST_COLLECTIONS, "count": query.count}
    values["depth"] = query.depth
    if query.collection_ids is not None:
        values["ids"] = list(query.collection_ids)
    if query.borrower is not None:
        values |= {"persona": query.borrower.persona_id, "version": query.borrower.version}
    if query.terms:
        values |= {"terms": list(query.terms), "repeats": list(query.terms.values()), "steps": _STEPS}
        values["budget"] = float(POSTINGS_BUDGET)
        values |= {"floor": BM25_K1 * (1 - BM25_B), "slope": BM25_K1 * BM25_B}
    if query.vector is not None:
        values |= {"vector": query.vector, "model": query.model, "breadth": str(query.depth)}
    if query.terms and query.vector is not None:
        values["k"] = RRF_K
    if query.metadata:
        values["metadata"] = dict(query.metadata)
    return values


def _hit(row: Row[Any]) -> IndexHit:
    chunk = Chunk(
        document_id=DocumentId(row.document_id),
        document_name=row.name,
        collection_id=CollectionId(row.collection_id),
        ordinal=row.ordinal,
        text=row.text,
        heading=row.heading,
        start_offset=row.start_offset,
        end_offset=row.end_offset,
        page=row.page,
        metadata=row.metadata,
    )
    return IndexHit(
        chunk=chunk,
        score=float(row.score),
        lexical=None if row.lexical_rank is None else Place(rank=row.lexical_rank, score=float(row.lexical_score)),
        dense=None if row.dense_rank is None else Place(rank=row.dense_rank, score=float(row.dense_score)),
    )
