"""Does a rewritten question hold what it leans on? Words recovered and words to spare, next to two simple ways."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.table import Bar, print_table
from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.context.questions.words import words_of
from evaluation.porter import porter_stem
from evaluation.questions import Row, find

Rewrite = Callable[[Row], str]


def measure(tiny: bool, data: Path | None) -> list[Bar]:
    """The strong follow-ups of CAsT 2019, of which nothing was trained on."""
    reader = QuestionReader(load_weights(), intents={})
    rows = [row for row in find(data, "cast2019", tiny=tiny) if row.is_strong]
    if not rows:
        return []
    ways: dict[str, Rewrite] = {
        "copy": lambda row: row.query,
        "first question + copy": lambda row: f"{row.said[0].text} {row.query}",
        "rules": lambda row: reader.understand(row.query, row.said).standalone,
    }
    judged = {name: _judged(way, rows) for name, way in ways.items()}
    print_table(
        f"rewrites: CAsT 2019, {len(rows)} strong follow-ups",
        ("", "words recovered", "words to spare a question"),
        [(name, f"{recovered:.3f}", f"{spare:.2f}") for name, (recovered, spare) in judged.items()],
    )
    mine, first = judged["rules"], judged["first question + copy"]
    spare = mine[1] / max(first[1], 0.01)
    return [
        Bar(name="rewrites: share of words recovered", measured=mine[0], limit=0.4, is_ceiling=False),
        Bar(
            name="rewrites: spare words, of those of the first question",
            measured=spare,
            limit=0.8,
        ),
    ]


def _judged(way: Rewrite, rows: Sequence[Row]) -> tuple[float, float]:
    recovered = spare = wanted = 0
    for row in rows:
        own = {porter_stem(word.lower) for word in words_of(row.query)}
        added = {porter_stem(word.lower) for word in words_of(way(row)) if word.is_content} - own
        recovered += len(added & set(row.added))
        spare += len(added - set(row.added))
        wanted += len(row.added)
    return recovered / wanted, spare / len(rows)
