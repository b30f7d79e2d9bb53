"""Search on SQLite: FTS5 as the inverted index, vectors scanned with numpy.

FTS5's own `bm25()` counts what everybody keeps and cannot be given our parameters, so its postings are read through
`fts5vocab` and scored here. Scanning 20,000 vectors of 384 numbers takes 3 ms on one core and lets go of the
interpreter's lock; a database extension took four times as long, and this Python may load none.
"""

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, bindparam, text

from conversation_engine.domains.retrieval.index.scope import lent
from conversation_engine.domains.retrieval.index.scoring import (
    BM25_B,
    BM25_K1,
    MOST_COLLECTIONS,
    POSTINGS_BUDGET,
    fuse,
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
from conversation_engine.infra.db.base import IdType, JsonType
from conversation_engine.infra.db.database import Tx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VECTOR_MEMORY_BYTES: Final = 1_000_000_000
MOST_BLOCKS: Final = 8

_SCOPE = """
SELECT number, chunk_count, term_count, embedding_model, removals FROM collections
WHERE ((owner_id = :reader OR is_shared){among}){lent} ORDER BY number LIMIT :most
"""
_WORDS = """
SELECT term, sum(chunk_count) AS chunks FROM collection_terms
WHERE collection_number IN ({scope}) AND term IN :terms GROUP BY term ORDER BY 2, 1
"""
_POSTINGS = """
WITH weights(key, weight) AS (VALUES {weights}),
postings AS (
  SELECT p.doc AS number, w.weight AS weight, count(*) AS tf FROM weights w CROSS JOIN chunk_fts_postings p
  WHERE p.term = w.key GROUP BY w.key, p.doc
)
SELECT p.number, round(sum(p.weight * p.tf / (p.tf + :floor + :slope * c.term_count)), 9) AS score
FROM postings p CROSS JOIN chunks c WHERE c.number = p.number{allowed}
GROUP BY p.number ORDER BY score DESC, p.number LIMIT :depth
"""
_ALLOWED = " AND c.document_id IN (SELECT d.id FROM documents d WHERE d.collection_number IN ({scope}){conditions})"
_FOUND = text(
    "SELECT c.number, c.document_id, c.ordinal, c.text, c.heading, c.start_offset, c.end_offset, c.page, d.name, "
    "d.metadata, k.id AS collection_id FROM chunks c JOIN documents d ON d.id = c.document_id "
    "JOIN collections k ON k.number = c.collection_number WHERE c.number IN :numbers"
).bindparams(bindparam("numbers", expanding=True))
_FOUND = _FOUND.columns(document_id=IdType, collection_id=IdType, metadata=JsonType)  # type: ignore[assignment]


class SqliteIndex:
    """A `SearchIndex` over one SQLite file. Used from its reader threads."""

    def __init__(self) -> None:
        self._vectors = _VectorCache()
        self._knows_vectors = find_spec("numpy") is not None

    @property
    def knows_vectors(self) -> bool:
        return self._knows_vectors

    def prepare(self, tx: Tx) -> None:
        return None

    def prepare_vectors(self, tx: Tx, *, dimensions: int) -> None:
        return None

    def stored_terms(self, collection_number: int, terms: Sequence[str]) -> str:
        return " ".join(f"{collection_number}_{term}" for term in repeated(terms))

    def terms_in(self, tx: Tx, document_id: DocumentId) -> Counter[str]:
        rows = tx.execute(_TERMS_OF, {"document": document_id}).scalars()
        return Counter(term.partition("_")[2] for terms in rows for term in set(terms.split()))

    def search(self, tx: Tx, query: IndexQuery) -> tuple[Sequence[IndexHit], float | None]:
        scope = _scope(tx, query)
        if not scope:
            return [], None
        by_word = self._by_word(tx, query, scope)
        by_meaning, best = self._by_meaning(tx, query, scope)
        if query.vector is None:
            ranked = by_word
        elif not query.terms:
            ranked = by_meaning
        else:
            ranked = fuse(by_word, by_meaning)
        chosen = dict(list(ranked.items())[: query.count])
        return _hits(tx, chosen, by_word, by_meaning), best

    def _by_word(self, tx: Tx, query: IndexQuery, scope: Sequence[Row[Any]]) -> dict[int, float]:
        chunks, terms = sum(row.chunk_count for row in scope), sum(row.term_count for row in scope)
        if not query.terms or not terms:
            return {}
        numbers = _numbers(scope)
        words = text(_WORDS.format(scope=numbers)).bindparams(bindparam("terms", expanding=True))
        weights: list[tuple[str, int, int]] = []
        read = 0
        for term, count in tx.execute(words, {"terms": list(query.terms)}):
            read += count
            if weights and read > POSTINGS_BUDGET:
                break
            weights += [(f"{row.number}_{term}", query.terms[term], count) for row in scope]
        if not weights:
            return {}
        values: dict[str, Any] = {}
        for place, (key, repeats, count) in enumerate(weights):
            values[f"k{place}"] = key
            values[f"w{place}"] = repeats * math.log(1 + (chunks - count + 0.5) / (count + 0.5))
        allowed, filters = _allowed(query, numbers)
        statement = _POSTINGS.format(
            weights=", ".join(f"(:k{place}, :w{place})" for place in range(len(weights))), allowed=allowed
        )
        slope = BM25_K1 * BM25_B * chunks / terms
        values |= {"floor": BM25_K1 * (1 - BM25_B), "slope": slope, "depth": query.depth, **filters}
        return {row[0]: row[1] for row in tx.execute(text(statement), values)}

    def _by_meaning(
        self, tx: Tx, query: IndexQuery, scope: Sequence[Row[Any]]
    ) -> tuple[dict[int, float], float | None]:
        meant = [row for row in scope if row.embedding_model == query.model and row.chunk_count]
        if query.vector is None or not meant:
            return {}, None
        numbers, cosines = self._vectors.scan(tx, meant, query.vector)
        if query.metadata:
            numbers, cosines = _filtered(tx, query, scope, numbers=numbers, cosines=cosines)
        if not len(numbers):
            return {}, None
        nearest = _nearest(numbers, cosines, query.depth)
        return nearest, next(iter(nearest.values()))


@dataclass(slots=True)
class _Vectors:
    """What is remembered of a collection."""

    removals: int
    last: int
    numbers: "list[NDArray[np.int64]]"
    blocks: "list[NDArray[np.float32]]"

    def size_bytes(self) -> int:
        return sum(block.nbytes for block in self.blocks)


class _VectorCache:
    """Vectors by collection: read once, then only those that are new; all anew after a removal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, _Vectors] = OrderedDict()

    def scan(
        self, tx: Tx, collections: Sequence[Row[Any]], vector: bytes
    ) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        """Numbers of passages and their cosines to `vector`."""
        import numpy as np

        wanted = np.frombuffer(vector, dtype="<f4")
        numbers, cosines = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
        for row in collections:
            known = self._of(tx, row)
            for own, block in zip(known.numbers, known.blocks, strict=True):
                if block.shape[1] == len(wanted):
                    numbers.append(own)
                    # einsum, not `@`: BLAS starts threads of its own, which fight the event loop for the cores.
                    cosines.append(np.einsum("ij,j->i", block, wanted))
        return np.concatenate(numbers), np.concatenate(cosines)

    def _of(self, tx: Tx, row: Row[Any]) -> _Vectors:
        with self._lock:
            known = self._known.get(row.number)
            if known is None or known.removals != row.removals:
                known = _Vectors(removals=row.removals, last=0, numbers=[], blocks=[])
            self._read_new(tx, row.number, known)
            self._known[row.number] = known
            self._known.move_to_end(row.number)
            total = sum(one.size_bytes() for one in self._known.values())
            while total > VECTOR_MEMORY_BYTES and len(self._known) > 1:
                total -= self._known.popitem(last=False)[1].size_bytes()
            return _Vectors(removals=known.removals, last=known.last, numbers=[*known.numbers], blocks=[*known.blocks])

    def _read_new(self, tx: Tx, collection_number: int, known: _Vectors) -> None:
        import numpy as np

        rows = tx.exec_driver_sql(
            "SELECT sequence, chunk_number, vector FROM chunk_vectors WHERE collection_number = ? AND sequence > ? "
            "ORDER BY sequence",
            (collection_number, known.last),
        ).all()
        if not rows:
            return
        known.last = rows[-1][0]
        known.numbers.append(np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows)))
        known.blocks.append(np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4").reshape(len(rows), -1))
        if len(known.blocks) > MOST_BLOCKS:
            known.numbers, known.blocks = [np.concatenate(known.numbers)], [np.concatenate(known.blocks)]


_TERMS_OF = text("SELECT terms FROM chunks WHERE document_id = :document").bindparams(
    bindparam("document", type_=IdType)
)


def _scope(tx: Tx, query: IndexQuery) -> Sequence[Row[Any]]:
    values: dict[str, Any] = {"reader": query.reader_id, "most": MOST_COLLECTIONS}
    among = "" if query.collection_ids is None else " AND id IN :ids"
    statement = text(_SCOPE.format(among=among, lent=lent(query)))
    if query.borrower is not None:
        statement = statement.bindparams(bindparam("persona", type_=IdType))
        values |= {"persona": query.borrower.persona_id, "version": query.borrower.version}
    if query.collection_ids is not None:
        statement = statement.bindparams(bindparam("ids", expanding=True, type_=IdType))
        values["ids"] = list(query.collection_ids)
    return tx.execute(statement, values).all()


def _numbers(scope: Sequence[Row[Any]]) -> str:
    return ", ".join(str(int(row.number)) for row in scope)


def _allowed(query: IndexQuery, numbers: str) -> tuple[str, Mapping[str, Any]]:
    """The condition that a passage's document has the metadata asked for, and its values."""
    if not query.metadata:
        return "", {}
    conditions = ""
    values: dict[str, Any] = {}
    for place, (key, value) in enumerate(query.metadata.items()):
        kinds = {bool: ("true", "false"), str: ("text", "text")}.get(type(value), ("integer", "real"))
        conditions += f" AND json_type(d.metadata, :p{place}) IN ('{kinds[0]}', '{kinds[1]}')"
        conditions += f" AND json_extract(d.metadata, :p{place}) = :v{place}"
        values |= {f"p{place}": f'$."{key}"', f"v{place}": value}
    return _ALLOWED.format(scope=numbers, conditions=conditions), values


def _filtered(
    tx: Tx,
    query: IndexQuery,
    scope: Sequence[Row[Any]],
    *,
    numbers: "NDArray[np.int64]",
    cosines: "NDArray[np.float32]",
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    import numpy as np

    own = _numbers(scope)
    allowed, values = _allowed(query, own)
    statement = f"SELECT c.number FROM chunks c WHERE c.collection_number IN ({own}){allowed}"  # noqa: S608 - numbers
    rows = tx.execute(text(statement), values).scalars().all()
    kept = np.isin(numbers, np.array(rows, dtype=np.int64))
    return numbers[kept], cosines[kept]


def _nearest(numbers: "NDArray[np.int64]", cosines: "NDArray[np.float32]", depth: int) -> dict[int, float]:
    import numpy as np

    if len(numbers) > depth:
        border = np.partition(cosines, len(cosines) - depth)[len(cosines) - depth]
        kept = cosines >= border - 1e-6  # those that round to the same are told apart by their numbers
        numbers, cosines = numbers[kept], cosines[kept]
    rounded = np.round(cosines.astype(np.float64), 6)
    order = np.lexsort((numbers, -rounded))[:depth]
    return {int(numbers[place]): float(rounded[place]) for place in order}


def _hits(
    tx: Tx, chosen: Mapping[int, float], by_word: Mapping[int, float], by_meaning: Mapping[int, float]
) -> Sequence[IndexHit]:
    if not chosen:
        return []
    rows = {row.number: row for row in tx.execute(_FOUND, {"numbers": list(chosen)})}
    words, meanings = _places(by_word), _places(by_meaning)
    return [
        IndexHit(chunk=_chunk(rows[number]), score=score, lexical=words.get(number), dense=meanings.get(number))
        for number, score in chosen.items()
        if number in rows  # remembered vectors may be those of a passage that is gone
    ]


def _places(scores: Mapping[int, float]) -> dict[int, Place]:
    return {number: Place(rank=rank, score=score) for rank, (number, score) in enumerate(scores.items(), start=1)}


def _chunk(row: Row[Any]) -> Chunk:
    return Chunk(
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
