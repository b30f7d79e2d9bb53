"""How many tokens a text is, before a provider has said so.

Exact for models whose vocabulary we have. Others cut the same text otherwise: a count of o200k is multiplied by a
ratio, which is learned from what the provider reports (`ratios.py`) and differs by script: a vocabulary made for
English takes three times as many tokens for Arabic as o200k does. The provider's own usage is the truth afterwards.
"""

import json
import math
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final

import toktok

from conversation_engine.domains.llm.characters import Kind, characters_in
from conversation_engine.domains.llm.fitting import told
from conversation_engine.domains.llm.types import LLMMessage, ModelCard, PromptCount, Sampling, ScriptRatio, TokenRatios

MESSAGE_OVERHEAD_TOKENS: Final = 5
"""What a chat template adds around one message: role and separators (ChatML: 4 to 5)."""

O200K: Final = "o200k_base"
CL100K: Final = "cl100k_base"
_VOCABULARIES: Final = {
    "openai": (
        ("gpt-4o", O200K),
        ("gpt-4.", O200K),
        ("gpt-5", O200K),
        ("gpt-oss", O200K),
        ("chatgpt-4o", O200K),
        ("o1", O200K),
        ("o3", O200K),
        ("o4", O200K),
        ("gpt-4", CL100K),
        ("gpt-3.5", CL100K),
    )
}
"""By the beginning of the provider's own name for a model; the first that fits."""
_RATIOS_BY_VOCABULARY: Final[dict[str | None, tuple[float, ...]]] = {
    O200K: (1.0,) * 5,
    CL100K: (1.1, 1.1, 1.25, 2.0, 1.6),
}
"""By script, rounded up: o200k is the later vocabulary and has more of every language but English."""
_RATIO_BY_PROVIDER: Final = {"anthropic": 1.25, "local": 1.35}
_OTHER_RATIO: Final = 1.25
"""Tokens of another vocabulary per o200k token, rounded up from samples of English prose, code and lists."""


class Script(IntEnum):
    """What a text is written in, as far as its bytes and its tokens tell: each has a ratio of its own."""

    PROSE = 0
    """ASCII with words of some length: English."""
    DENSE = 1
    """ASCII in short pieces: code, JSON, numbers."""
    LATIN = 2
    """Letters with accents here and there."""
    TWO_BYTES = 3
    """Cyrillic, Greek, Arabic, Hebrew, …"""
    THREE_BYTES = 4
    """Chinese, Japanese, Korean, Hindi, …"""


PLAUSIBLE: Final = (0.3, 8.0)
"""Tokens of a model per token of ours: what is outside is a mistake or a lie."""
MOST_TEMPLATE_TOKENS: Final = 200
TEMPLATE_PART: Final = 10.0
"""Tokens that one of a template's parts stands for; …"""
_CHARACTERS_A_PART: Final = (1, 2, 2, 1.5)
"""… and so many characters of each kind are about a token, so that all weights are of one size."""
_PROSE_CHARACTERS: Final = 3.8
"""Fewest characters per o200k token: English has 4 to 5, code 3 to 4, JSON 2 to 3."""
_LATIN_BYTES: Final = 1.25
_TWO_BYTES: Final = 2.05
"""Most UTF-8 bytes per character of the script before."""


def script_of(text: str, o200k_tokens: int) -> Script:
    """What `text` is written in for the most part. ASCII is known at once, the rest by its UTF-8 length."""
    if text.isascii():
        return Script.PROSE if len(text) >= _PROSE_CHARACTERS * o200k_tokens else Script.DENSE
    bytes_each = len(text.encode(errors="replace")) / len(text)
    if bytes_each <= _LATIN_BYTES:
        return Script.LATIN
    return Script.TWO_BYTES if bytes_each <= _TWO_BYTES else Script.THREE_BYTES


def count_tokens(text: str, vocabulary: str = O200K) -> int:
    """Tokens of `text`: 37 µs per thousand, no I/O, no network."""
    return int(toktok.batch_count([text], vocabulary, threads=1)[0])


def vocabulary_of(card: ModelCard) -> str | None:
    """The vocabulary that the model is known to have; `None` if we have not got it."""
    return _vocabulary(card.provider, card.provider_model)


def tokens_for(card: ModelCard, text: str, o200k_tokens: int | None = None) -> int:
    """How many tokens of this model `text` takes, on the safe side; `o200k_tokens` where they are known already."""
    counted = count_tokens(text) if o200k_tokens is None else o200k_tokens
    return math.ceil(counted * ratios_of(card).by_script[script_of(text, counted)].safe)


def tools_text(sampling: Sampling) -> str:
    """What a model has to read of the tools that it is offered; empty where there are none."""
    return "" if sampling.tools is None else json.dumps(sampling.tools.as_json(), ensure_ascii=False)


def tools_tokens_for(card: ModelCard, sampling: Sampling) -> int:
    """How many tokens of this model that takes, on the safe side."""
    return 0 if sampling.tools is None else tokens_for(card, tools_text(sampling))


def template_tokens_for(card: ModelCard, *, is_instructed: bool) -> int:
    """What the model's chat template adds to a whole prompt, as far as is known."""
    return ratios_of(card).template_tokens[is_instructed]


def ratio_for(card: ModelCard) -> float:
    """This model's tokens per o200k token at the most, whatever the script: for bounds, and for comparing models."""
    return max(ratio.safe for ratio in ratios_of(card).by_script)


def estimate(card: ModelCard, text: str) -> int:
    """How many tokens of this model `text` probably is: as often too few as too many."""
    vocabulary = vocabulary_of(card)
    if vocabulary is not None:
        return count_tokens(text, vocabulary)
    counted = count_tokens(text)
    script, ratios = script_of(text, counted), ratios_of(card)
    if ratios.weights is None:
        return round(counted * ratios.by_script[script].typical)
    by_script = tuple(counted if one is script else 0 for one in Script)
    return _weighed(parts_of(by_script, characters_in(text)), ratios.weights(), counted)


def estimate_prompt(card: ModelCard, messages: Sequence[LLMMessage]) -> int:
    """The same of a whole prompt, the chat template's share included."""
    weights, instructed = ratios_of(card).weights, is_instructed(messages)
    if weights is None or vocabulary_of(card) is not None:
        texts = sum(estimate(card, message.text) + MESSAGE_OVERHEAD_TOKENS for message in messages)
        texts += media_tokens_in(messages)
        return texts + template_tokens_for(card, is_instructed=instructed)
    counted = count_prompt(messages)
    parts = parts_of(counted.by_script, counted.characters, is_instructed=instructed)
    rest = counted.messages * MESSAGE_OVERHEAD_TOKENS + media_tokens_in(messages)
    return _weighed(parts, weights(), sum(counted.by_script)) + rest


def media_tokens_in(messages: Sequence[LLMMessage]) -> int:
    """About what images and files take."""
    return sum(one.content.media_tokens for one in messages if not isinstance(one.content, str))


def parts_of(
    by_script: Sequence[int], characters: Sequence[int], *, is_instructed: bool | None = None
) -> Sequence[tuple[int, float]]:
    """What a text is made of, as `fitting` wants it: o200k tokens by script, characters by kind, one of two templates.

    `is_instructed`: of a whole prompt; `None`: a text alone, to which no template adds anything.
    """
    template = () if is_instructed is None else ((len(Script) + len(Kind) + is_instructed, TEMPLATE_PART),)
    amounts = (*by_script, *(count / size for count, size in zip(characters, _CHARACTERS_A_PART, strict=True)))
    return [*((place, amount) for place, amount in enumerate(amounts) if amount), *template]


def _weighed(parts: Sequence[tuple[int, float]], weights: Sequence[float], counted: int) -> int:
    """Never further from our own count than any vocabulary is."""
    least, most = PLAUSIBLE
    return round(min(max(told(parts, weights), least * counted), most * counted + MOST_TEMPLATE_TOKENS))


def is_instructed(messages: Sequence[LLMMessage]) -> bool:
    """Whether a prompt begins with a system message."""
    return bool(messages) and messages[0].role == "system"


def count_prompt(messages: Sequence[LLMMessage]) -> PromptCount:
    """The o200k tokens of a prompt by script: what a reported usage is compared with."""
    by_script = [0] * len(Script)
    counts = toktok.batch_count([message.text for message in messages], O200K, threads=1)
    for message, tokens in zip(messages, counts, strict=True):
        by_script[script_of(message.text, int(tokens))] += int(tokens)
    return PromptCount(
        messages=len(messages),
        by_script=tuple(by_script),
        is_instructed=is_instructed(messages),
        characters=characters_in("".join(message.text for message in messages)),
    )


def ratios_of(card: ModelCard) -> TokenRatios:
    """What was learned of the model, or else what is assumed of it."""
    return card.ratios or default_ratios(card.provider, card.provider_model)


@lru_cache(maxsize=256)
def default_ratios(provider: str, model: str) -> TokenRatios:
    """What is assumed of a model before anything is known of it."""
    vocabulary = _vocabulary(provider, model)
    assumed = _RATIOS_BY_VOCABULARY.get(vocabulary) or (_RATIO_BY_PROVIDER.get(provider, _OTHER_RATIO),) * len(Script)
    return TokenRatios(by_script=tuple(ScriptRatio(typical=ratio, safe=ratio) for ratio in assumed))


@lru_cache(maxsize=256)
def _vocabulary(provider: str, model: str) -> str | None:
    for beginning, vocabulary in _VOCABULARIES.get(provider, ()):
        if model.startswith(beginning):
            return vocabulary
    return None
