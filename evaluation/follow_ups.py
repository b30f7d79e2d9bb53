"""Is a question told from a new topic? Balanced accuracy, next to the list of pronouns that everybody writes first."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.table import Bar, print_table
from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.weights import load_weights
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
    print_table(
        f"follow-ups: CAsT 2019, {len(strong)} strong follow-ups, {len(switched)} new topics",
        ("", "follow-ups found", "new topics kept", "balanced accuracy"),
        [(name, *(f"{rate:.3f}" for rate in rates)) for name, rates in (("rules", learnt), ("pronouns", listed))],
    )
    return [
        Bar(
            name="follow-ups: balanced accuracy above the list of pronouns",
            measured=learnt[2] - listed[2],
            limit=0.1,
            is_ceiling=False,
        ),
        Bar(name="follow-ups: CPU a question, everything that is asked of it", measured=each_ms, limit=10, unit=" ms"),
    ]


def _rates(verdict: Verdict, strong: Sequence[Row], switched: Sequence[Row]) -> tuple[float, float, float]:
    found = sum(verdict(row) for row in strong) / len(strong)
    kept = sum(not verdict(row) for row in switched) / len(switched)
    return found, kept, (found + kept) / 2


def _has_pronoun(row: Row) -> bool:
    return bool(row.said) and any(word in row.query.lower() for word in PRONOUNS)
