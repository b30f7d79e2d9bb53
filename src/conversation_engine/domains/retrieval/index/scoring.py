"""The numbers that both databases compute alike.

BM25 (Robertson and Zaragoza 2009) with Lucene's non-negative idf, over the collections that are searched and nothing
else: what others keep changes no score. Ranks are merged by reciprocal rank fusion (Cormack, Clarke and Büttcher 2009).
"""

from collections.abc import Iterable
from typing import Final

BM25_K1: Final = 0.9
BM25_B: Final = 0.4
"""Both as Anserini sets them for all collections; not fitted to any of ours."""
RRF_K: Final = 60
DEPTH: Final = 100
"""How many of each list are merged."""
POSTINGS_BUDGET: Final = 12_000
"""Occurrences that one search reads. Rare terms come first; frequent ones that go beyond it are left out, which costs
little: they tell passages apart least."""
MOST_REPEATS: Final = 30
"""Of one term in one passage; more say nothing new."""
MOST_COLLECTIONS: Final = 500


def fuse(*rankings: Iterable[int]) -> dict[int, float]:
    """Sums of reciprocal ranks of what the rankings hold, best first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1.0 / (RRF_K + rank)
    rounded = {number: round(score, 9) for number, score in scores.items()}
    return dict(sorted(rounded.items(), key=lambda item: (-item[1], item[0])))


def repeated(terms: Iterable[str]) -> list[str]:
    """`terms` in order, each at most `MOST_REPEATS` times."""
    seen: dict[str, int] = {}
    kept = []
    for term in terms:
        seen[term] = seen.get(term, 0) + 1
        if seen[term] <= MOST_REPEATS:
            kept.append(term)
    return kept
