"""Tokens of a model per token of ours, learned from what its provider reports. Pure: no I/O, no clock."""

import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from conversation_engine.domains.llm.characters import Kind
from conversation_engine.domains.llm.fitting import fitted
from conversation_engine.domains.llm.tokens import (
    MESSAGE_OVERHEAD_TOKENS,
    MOST_TEMPLATE_TOKENS,
    PLAUSIBLE,
    TEMPLATE_PART,
    Script,
    default_ratios,
    parts_of,
    vocabulary_of,
)
from conversation_engine.domains.llm.types import ModelCard, PromptCount, ScriptRatio, TokenRatios

MOST_WEIGHED: Final = 64
"""Of each model, whatever they are written in, for the weights of estimates."""
MOST_SAMPLES: Final = 48
"""Of each model and script, and of each model for its template. The newest count, so that a model whose vocabulary
changes is followed."""
LEAST_SAMPLES: Final = 3
"""Before these the assumption stands: one odd report moves no median of three."""
SEEN_IN_FULL: Final = 64
"""Calls of a model that are all compared; of those after it …"""
EVERY: Final = 16
"""… every sixteenth is."""
LARGEST_CHARACTERS: Final = 32_768
"""Longer prompts are not counted again: 0.3 ms is what a comparison may cost."""
PURE_SHARE: Final = 0.7
"""A prompt tells about the script that at least so much of it is written in."""
SAFE_SHARE: Final = 0.9
"""Of what a model read so far, the safe ratio would have been enough for so much."""
ROUNDS: Final = 6
"""Ratio and template are each taken for granted while the other is found, in turns: they settle in a few. A single call
takes one turn for its own script, from where the calls before it came to; …"""
ALL_SCRIPTS_EVERY: Final = 8
"""… of so many calls one does for all of them."""


class Sample(NamedTuple):
    """A prompt for the most part of one script."""

    by_script: tuple[int, ...]
    """Our tokens."""
    reported: int
    """The provider's, without each message's share of the template."""
    is_instructed: bool
    characters: tuple[int, ...] = ()
    """Empty in what earlier versions counted."""


class _Model:
    """What was seen of one model."""

    def __init__(self, assumed: TokenRatios) -> None:
        self.ratios = assumed
        self.calls = 0
        self.noted = 0
        self._newest: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self._weighed: deque[Sample] = deque(maxlen=MOST_WEIGHED)
        self._fit: tuple[int, Sequence[float]] = (0, ())
        """After how many samples, and what came of it."""
        self._of_script: list[deque[Sample]] = [deque(maxlen=MOST_SAMPLES) for _ in Script]

    def note(self, script: Script | None, sample: Sample) -> None:
        """`script`: what the prompt is written in; `None`: in several."""
        self.noted += 1
        if sample.characters:
            self._weighed.append(sample)
        if script is not None:
            self._newest.append(sample)
            self._of_script[script].append(sample)

    def weights(self) -> Sequence[float]:
        """Of the parts of a prompt, near the ratios: some milliseconds where a sample is new, else nothing."""
        noted, weights = self._fit
        if noted != self.noted:
            rows = [parts_of(one.by_script, one.characters, is_instructed=one.is_instructed) for one in self._weighed]
            ratios = [ratio.typical for ratio in self.ratios.by_script]
            template = [tokens / TEMPLATE_PART for tokens in self.ratios.template_tokens]
            begun = [*ratios, *(0.0 for _ in Kind), *template]
            weights = fitted(rows, [one.reported for one in self._weighed], begun)
            self._fit = (self.noted, weights)
        return weights

    def refine(self, scripts: Iterable[Script]) -> None:
        """One turn of finding ratios and templates."""
        by_script = list(self.ratios.by_script)
        for script in scripts:
            by_script[script] = _ratio_of(script, self._of_script[script], self.ratios)
        template = [_template(by_script, self._newest, is_instructed=kind) for kind in (False, True)]
        is_known = len(self._weighed) >= LEAST_SAMPLES
        self.ratios = TokenRatios(
            by_script=tuple(by_script),
            template_tokens=(template[0], template[1]),
            weights=self.weights if is_known else None,
        )


class RatioBook:
    """What is known of every model's ratios. Belongs to one event loop.

    Robust by construction: ratios are weighted medians and templates medians, which fewer than half of the samples
    cannot move far, and what is not plausible does not count at all.
    """

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], _Model] = {}

    def of(self, card: ModelCard) -> TokenRatios | None:
        """What was learned; `None` while nothing is known, or nothing is to be learned."""
        model = self._models.get(_key(card))
        return model.ratios if model and model.noted else None

    def wants(self, card: ModelCard, characters: int) -> bool:
        """Whether this call of the model is to be counted for comparison."""
        if vocabulary_of(card) is not None or characters > LARGEST_CHARACTERS:
            return False
        model = self._model(card)
        model.calls += 1
        return model.calls <= SEEN_IN_FULL or model.calls % EVERY == 0

    def learn(self, card: ModelCard, counted: PromptCount, input_tokens: int) -> None:
        """A provider says that this prompt was `input_tokens`. A fifth of a millisecond."""
        if self._note(card, counted, input_tokens):
            model, script = self._model(card), _script(counted)
            model.refine([script] if script is not None and model.noted % ALL_SCRIPTS_EVERY else Script)

    def learn_all(self, card: ModelCard, calls: Iterable[tuple[PromptCount, int]]) -> None:
        """The same of many calls, oldest first: tens of milliseconds."""
        for counted, input_tokens in calls:
            self._note(card, counted, input_tokens)
        for _ in range(ROUNDS):
            self._model(card).refine(Script)

    def _note(self, card: ModelCard, counted: PromptCount, input_tokens: int) -> bool:
        """Whether the report is believed."""
        total = sum(counted.by_script)
        reported = input_tokens - counted.messages * MESSAGE_OVERHEAD_TOKENS
        if vocabulary_of(card) is not None or not total:
            return False
        if not PLAUSIBLE[0] * total <= reported <= PLAUSIBLE[1] * total + MOST_TEMPLATE_TOKENS:
            return False
        sample = Sample(counted.by_script, reported, counted.is_instructed, counted.characters)
        self._model(card).note(_script(counted), sample)
        return True

    def _model(self, card: ModelCard) -> _Model:
        key = _key(card)
        if (model := self._models.get(key)) is None:
            model = self._models[key] = _Model(default_ratios(*key))
        return model


def _key(card: ModelCard) -> tuple[str, str]:
    return card.provider, card.provider_model


def _script(counted: PromptCount) -> Script | None:
    """What the prompt is written in, for the most part; `None` where it is a mixture."""
    script = max(Script, key=lambda one: counted.by_script[one])
    return script if counted.by_script[script] >= PURE_SHARE * sum(counted.by_script) else None


def _ratio_of(script: Script, samples: Sequence[Sample], known: TokenRatios) -> ScriptRatio:
    """What each prompt leaves for its own script, when the rest is taken off as far as it is known."""
    if len(samples) < LEAST_SAMPLES:
        return known.by_script[script]
    weighed = []
    for sample in samples:
        own = sample.by_script[script]
        rest = _texts(sample, known.by_script) - own * known.by_script[script].typical
        ratio = (sample.reported - known.template_tokens[sample.is_instructed] - rest) / own
        weighed.append((min(max(ratio, PLAUSIBLE[0]), PLAUSIBLE[1]), own))
    return ScriptRatio(typical=_quantile(weighed, 0.5), safe=_quantile(weighed, SAFE_SHARE))


def _template(by_script: Sequence[ScriptRatio], samples: Iterable[Sample], *, is_instructed: bool) -> int:
    left = [sample.reported - _texts(sample, by_script) for sample in samples if sample.is_instructed is is_instructed]
    if len(left) < LEAST_SAMPLES:
        return 0
    return min(max(round(statistics.median(left)), 0), MOST_TEMPLATE_TOKENS)


def _texts(sample: Sample, by_script: Sequence[ScriptRatio]) -> float:
    return sum(tokens * ratio.typical for tokens, ratio in zip(sample.by_script, by_script, strict=True))


def _quantile(weighed: Iterable[tuple[float, int]], share: float) -> float:
    """The ratio that is enough for `share` of the tokens."""
    ordered = sorted(weighed)
    wanted = share * sum(tokens for _, tokens in ordered)
    reached = 0
    for ratio, tokens in ordered:
        reached += tokens
        if reached >= wanted:
            return ratio
    return ordered[-1][0]
