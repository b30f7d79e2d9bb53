"""What is said in benchmarks: made up, the same in every run."""

import random

_VOCABULARY = [
    "tide",
    "harbour",
    "ship",
    "captain",
    "cargo",
    "letter",
    "winter",
    "market",
    "bridge",
    "engine",
    "river",
    "signal",
    "engineer",
    "copper",
    "morning",
    "account",
    "question",
    "answer",
    "because",
    "however",
    "several",
    "between",
    "although",
    "measure",
]
_random = random.Random(20260101)


def _text(words: int) -> str:
    return " ".join(_random.choice(_VOCABULARY) for _ in range(words)) + "."


QUESTIONS = [_text(40) for _ in range(64)]
"""About 270 characters each."""
REPLIES = [_text(160) for _ in range(64)]
"""About 1,100 characters each."""
