"""Is a question told from a new topic? Balanced accuracy, next to the list of pronouns that everybody writes first."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.table import Bar, print_table
from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.senses import sense_features, texts_of
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.llm.embeddings.local import LocalEmbedder, is_installed
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.kernel.ids import UserId
from evaluation.questions import Row, find

PRONOUNS = ("it", "that", "this", "them", "those")
Verdict = Callable[[Row], bool]


def measure(tiny: bool, data: Path | None) -> list[Bar]:
    """CAsT 2019 and its switch negatives, of which nothing was trained on, and time per question."""
    reader = QuestionReader(load_weights(), intents={})
    strong = [row for row in find(data, "cast2019", tiny=tiny) if row.is_strong]
    switched = [row for row in find(data, "switch_negatives", tiny=False) if "cast" in row.source]
    if not strong or not switched:
        return []
    started = time.process_time()
    learnt = _rates(lambda row: reader.understand(row.query, row.said).follow_up.is_follow_up, strong, switched)
    each_ms = (time.process_time() - started) / (len(strong) + len(switched)) * 1000
    listed = _rates(_has_pronoun, strong, switched)
    told = [("rules", learnt), ("pronouns", listed)]
    bars = []
    if is_installed():
        known = asyncio.run(_embedded([*strong, *switched]))

        def with_senses(row: Row) -> bool:
            sense = sense_features([known[text] for text in texts_of(row.query, row.said)])
            return reader.understand(row.query, row.said, sense=sense).follow_up.is_follow_up

        started = time.process_time()
        sensed = _rates(with_senses, strong, switched)
        sensing_ms = (time.process_time() - started) / (len(strong) + len(switched)) * 1000
        told.insert(0, ("rules and the embedding model", sensed))
        bars = [
            Bar(
                name="follow-ups: balanced accuracy with the embedding model",
                measured=sensed[2],
                limit=0.88,
                is_ceiling=False,
            ),
            Bar(name="follow-ups: CPU a question, without embedding it", measured=sensing_ms, limit=10, unit=" ms"),
        ]
    print_table(
        f"follow-ups: CAsT 2019, {len(strong)} strong follow-ups, {len(switched)} new topics",
        ("", "follow-ups found", "new topics kept", "balanced accuracy"),
        [(name, *(f"{rate:.3f}" for rate in rates)) for name, rates in told],
    )
    return [
        *bars,
        Bar(
            name="follow-ups: balanced accuracy above the list of pronouns",
            measured=learnt[2] - listed[2],
            limit=0.1,
            is_ceiling=False,
        ),
        Bar(name="follow-ups: CPU a question, everything that is asked of it", measured=each_ms, limit=10, unit=" ms"),
    ]


async def _embedded(rows: Sequence[Row]) -> dict[str, Vector]:
    """What the local embedding model says of every text that it is asked about."""
    embedder = LocalEmbedder(threads=1)
    texts = list(dict.fromkeys(text for row in rows for text in texts_of(row.query, row.said)))
    vectors = await embedder.embed_passages(texts, owner_id=UserId("local"))
    await embedder.aclose()
    return dict(zip(texts, vectors, strict=True))


def _rates(verdict: Verdict, strong: Sequence[Row], switched: Sequence[Row]) -> tuple[float, float, float]:
    found = sum(verdict(row) for row in strong) / len(strong)
    kept = sum(not verdict(row) for row in switched) / len(switched)
    return found, kept, (found + kept) / 2


def _has_pronoun(row: Row) -> bool:
    return bool(row.said) and any(word in row.query.lower() for word in PRONOUNS)
