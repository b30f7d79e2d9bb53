"""Porter's stemmer (1980), by which the tokens of rewriting data are given."""

from itertools import pairwise
from typing import Final

_VOWELS: Final = frozenset("aeiou")
_STEP_2: Final = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
)
_STEP_3: Final = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4: Final = (
    "ement al ance ence er ic able ible ant ment ent sion tion ou ism ate iti ous ive ize".split()  # noqa: SIM905
)


def porter_stem(word: str) -> str:
    """The stem of a lower-case word."""
    if len(word) <= 2:
        return word
    word = _step_1b(_step_1a(word))
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(_replaced(word, _STEP_2), _STEP_3)
    return _step_5(_step_4(word))


def _is_consonant(word: str, index: int) -> bool:
    if word[index] in _VOWELS:
        return False
    return word[index] != "y" or index == 0 or not _is_consonant(word, index - 1)


def _measure(stem: str) -> int:
    kinds = [_is_consonant(stem, index) for index in range(len(stem))]
    return sum(before is False and after for before, after in pairwise(kinds))


def _has_vowel(stem: str) -> bool:
    return any(not _is_consonant(stem, index) for index in range(len(stem)))


def _ends_short(stem: str) -> bool:
    """Consonant, vowel, consonant other than w, x and y."""
    if len(stem) < 3 or stem[-1] in "wxy":
        return False
    last = len(stem) - 1
    return _is_consonant(stem, last) and not _is_consonant(stem, last - 1) and _is_consonant(stem, last - 2)


def _ends_double(stem: str) -> bool:
    return len(stem) > 1 and stem[-1] == stem[-2] and _is_consonant(stem, len(stem) - 1)


def _step_1a(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _step_1b(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    stem = next((word[: -len(end)] for end in ("ed", "ing") if word.endswith(end)), None)
    if stem is None or not _has_vowel(stem):
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if _ends_double(stem) and stem[-1] not in "lsz":
        return stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _ends_short(stem) else stem


def _replaced(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    for end, instead in rules:
        if word.endswith(end):
            stem = word[: -len(end)]
            return stem + instead if _measure(stem) > 0 else word
    return word


def _step_4(word: str) -> str:
    for end in _STEP_4:
        if word.endswith(end):
            kept = 3 if end in ("sion", "tion") else len(end)
            return word[:-kept] if _measure(word[:-kept]) > 1 else word
    return word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_short(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
