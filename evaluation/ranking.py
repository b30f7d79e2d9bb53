"""How good a ranking is, and a plain BM25 to check ourselves by: code that shares nothing with the product."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import Stemmer

LUCENE_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
        "they this to was will with",
    )
)


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], *, depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), linear gain, as trec_eval's `ndcg_cut`."""
    gain = sum(relevant.get(name, 0) / math.log2(rank + 2) for rank, name in enumerate(ranked[:depth]))
    best = sorted(relevant.values(), reverse=True)[:depth]
    ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best))
    return gain / ideal if ideal else 0.0


def reciprocal_rank(ranked: Sequence[str], wanted: str, *, depth: int = 10) -> float:
    """One over the place of the only right answer; 0 beyond `depth`."""
    return 1 / (ranked.index(wanted) + 1) if wanted in ranked[:depth] else 0.0


def plain_bm25(documents: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Ranks whole documents as Anserini does by default: Porter, Lucene's stop words, k1 0.9, b 0.4."""
    counts = {name: Counter(_porter(text)) for name, text in documents.items()}
    lengths = {name: sum(count.values()) for name, count in counts.items()}
    mean = sum(lengths.values()) / len(lengths)
    postings: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, count in counts.items():
        for term, times in count.items():
            postings[term].append((name, times))

    def rank(query: str) -> list[str]:
        scores: dict[str, float] = defaultdict(float)
        for term in _porter(query):
            own = postings.get(term, [])
            idf = math.log(1 + (len(counts) - len(own) + 0.5) / (len(own) + 0.5))
            for name, times in own:
                scores[name] += idf * times / (times + 0.9 * (0.6 + 0.4 * lengths[name] / mean))
        return sorted(scores, key=lambda name: (-scores[name], name))

    return rank


def _porter(text: str) -> list[str]:
    stem = Stemmer.Stemmer("porter").stemWord
    return [stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in LUCENE_STOP_WORDS]
