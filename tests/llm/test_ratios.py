"""What a model's tokens are per token of ours, learned from reports that may be wrong."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.llm.fitting import told
from conversation_engine.domains.llm.ratios import EVERY, LARGEST_CHARACTERS, SEEN_IN_FULL, RatioBook
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, Script, default_ratios, parts_of, ratios_of
from conversation_engine.domains.llm.types import ModelCard, PromptCount, TokenRatios, TokenUsage
from conversation_engine.testing import Say, ScriptedModel
from tests.conftest import OpenEngine
from tests.turns.scenes import ADA, answered, ask, begin, rows

CARD = ModelCard(name="mine/m", provider="mine", provider_model="m", context_tokens=8192)
EXACT = ModelCard(name="openai/gpt-4o", provider="openai", provider_model="gpt-4o", context_tokens=8192)


def prompt(script: Script, tokens: int, *, messages: int = 1, is_instructed: bool = False) -> PromptCount:
    by_script = tuple(tokens if one is script else 0 for one in Script)
    return PromptCount(messages=messages, by_script=by_script, is_instructed=is_instructed)


def learn(book: RatioBook, script: Script, ratio: float, *, calls: int = 50, template: int = 0, seed: int = 1) -> None:
    """Reports of a provider that counts `ratio` tokens for one of ours, and `template` for each prompt."""
    random = Random(seed)
    for _ in range(calls):
        counted = prompt(script, random.randint(20, 400), messages=random.randint(1, 5))
        said = sum(counted.by_script) * ratio * random.uniform(0.95, 1.05) + counted.messages * MESSAGE_OVERHEAD_TOKENS
        book.learn(CARD, counted, round(said + template))


def known(book: RatioBook) -> TokenRatios:
    found = book.of(CARD)
    assert found is not None
    return found


class TestLearn:
    @pytest.mark.parametrize("ratio", [0.6, 1.0, 1.5, 3.1])
    def test_fifty_calls_tell_the_ratio_and_what_the_template_adds(self, ratio: float) -> None:
        book = RatioBook()
        learn(book, Script.PROSE, ratio, template=20)
        assert known(book).by_script[Script.PROSE].typical == pytest.approx(ratio, rel=0.03)
        assert known(book).by_script[Script.PROSE].safe >= known(book).by_script[Script.PROSE].typical
        template, other_template = known(book).template_tokens
        guessed = 200 * known(book).by_script[Script.PROSE].typical + template
        assert (guessed, other_template) == (pytest.approx(200 * ratio + 20, rel=0.05), 0)

    def test_each_script_has_its_own(self) -> None:
        book = RatioBook()
        ratios = {Script.PROSE: 1.0, Script.TWO_BYTES: 2.9, Script.THREE_BYTES: 2.5}
        for script, ratio in ratios.items():
            learn(book, script, ratio)
        for script, ratio in ratios.items():
            assert known(book).by_script[script].typical == pytest.approx(ratio, rel=0.05)
        assert known(book).by_script[Script.DENSE] == default_ratios("mine", "m").by_script[Script.DENSE]

    def test_one_report_moves_nothing(self) -> None:
        book = RatioBook()
        book.learn(CARD, prompt(Script.PROSE, 100), 700)
        assert known(book).by_script == default_ratios("mine", "m").by_script

    @given(
        lies=st.lists(st.integers(-(10**9), 10**9), max_size=12),
        tokens=st.lists(st.integers(0, 500), min_size=12, max_size=12),
    )
    def test_reports_that_lie_cannot_move_it_far(self, lies: Sequence[int], tokens: Sequence[int]) -> None:
        book = RatioBook()
        learn(book, Script.PROSE, 1.5, calls=36)
        for lie, size in zip(lies, tokens, strict=False):
            book.learn(CARD, prompt(Script.PROSE, size), lie)
        assert known(book).by_script[Script.PROSE].typical == pytest.approx(1.5, rel=0.12)
        assert all(0.3 <= ratio <= 8.0 for pair in known(book).by_script for ratio in pair)

    def test_texts_of_one_script_that_are_cut_otherwise_are_told_apart_by_their_characters(self) -> None:
        """Russian and Arabic are one script here; half of the past calls are of either."""
        book, random = RatioBook(), Random(5)

        def said(letters_a_token: float) -> tuple[PromptCount, int]:
            counted = prompt(Script.TWO_BYTES, random.randint(50, 400))
            tokens = sum(counted.by_script)
            letters = round(tokens * letters_a_token)
            counted = replace(counted, characters=(0, letters, 0, 0))
            return counted, round(tokens * 0.5 + letters * 0.6) + MESSAGE_OVERHEAD_TOKENS

        for number in range(40):
            book.learn(CARD, *said(5.0 if number % 2 else 2.0))
        weights = known(book).weights
        assert weights is not None
        for letters_a_token in (2.0, 5.0):
            counted, reported = said(letters_a_token)
            parts = parts_of(counted.by_script, counted.characters, is_instructed=False)
            assert told(parts, weights()) == pytest.approx(reported - MESSAGE_OVERHEAD_TOKENS, rel=0.1)

    def test_weights_are_worked_out_when_they_are_asked_for_and_once(self) -> None:
        book = RatioBook()
        for _ in range(4):
            book.learn(CARD, replace(prompt(Script.PROSE, 100), characters=(0, 0, 0, 0)), 150)
        weights = known(book).weights
        assert weights is not None
        assert weights() is weights()
        before = weights()
        book.learn(CARD, replace(prompt(Script.PROSE, 100), characters=(0, 0, 0, 0)), 190)
        assert weights() is not before

    def test_what_earlier_versions_counted_gives_ratios_and_no_weights(self) -> None:
        book = RatioBook()
        learn(book, Script.PROSE, 1.5)
        assert known(book).weights is None

    def test_a_model_whose_vocabulary_we_have_is_left_alone(self) -> None:
        book = RatioBook()
        for _ in range(50):
            book.learn(EXACT, prompt(Script.PROSE, 100), 700)
        assert book.of(EXACT) is None
        assert not book.wants(EXACT, 10)

    def test_a_new_vocabulary_is_followed(self) -> None:
        book = RatioBook()
        learn(book, Script.PROSE, 1.0)
        learn(book, Script.PROSE, 2.0, calls=60, seed=2)
        assert known(book).by_script[Script.PROSE].typical == pytest.approx(2.0, rel=0.05)

    def test_many_at_once_come_to_the_same(self) -> None:
        one, many = RatioBook(), RatioBook()
        learn(one, Script.PROSE, 1.7)
        calls = []
        random = Random(1)
        for _ in range(50):
            counted = prompt(Script.PROSE, random.randint(20, 400), messages=random.randint(1, 5))
            said = sum(counted.by_script) * 1.7 * random.uniform(0.95, 1.05)
            calls.append((counted, round(said + counted.messages * MESSAGE_OVERHEAD_TOKENS)))
        many.learn_all(CARD, calls)
        ratios = [known(book).by_script[Script.PROSE].typical for book in (one, many)]
        assert ratios[0] == pytest.approx(ratios[1], rel=0.02)


class TestWants:
    def test_the_first_calls_then_now_and_then(self) -> None:
        book = RatioBook()
        wanted = [book.wants(CARD, 100) for _ in range(SEEN_IN_FULL + 10 * EVERY)]
        assert all(wanted[:SEEN_IN_FULL])
        assert sum(wanted[SEEN_IN_FULL:]) == 10
        assert not book.wants(CARD, LARGEST_CHARACTERS + 1)


class TestOverTurns:
    """In the engine: learned from what providers report, kept in the store, used for the window."""

    async def test_what_one_process_learns_the_next_one_knows(self, open_engine: OpenEngine) -> None:
        text = "The ferry leaves at seven, and whoever misses it waits until noon. " * 4
        engine = await open_engine(ScriptedModel())
        before = ratios_of(engine.turns._llm.card(None)).by_script[Script.PROSE]
        for number in range(6):
            conversation = await begin(engine)
            said = text * (number + 1)
            counted = len(said) // 67 * 15 * 3
            model = ScriptedModel(
                [Say("yes")], usage=TokenUsage(input_tokens=counted, cached_tokens=0, output_tokens=1)
            )
            engine._catalog._families["scripted"].provider.stream = model.stream  # type: ignore[method-assign]
            await answered(engine, await ask(engine, conversation.id, said))
        learned = ratios_of(engine.turns._llm.card(None)).by_script[Script.PROSE]
        assert learned.typical > 2 * before.typical
        again = await open_engine(ScriptedModel())
        assert ratios_of(again.turns._llm.card(None)).by_script[Script.PROSE].typical == pytest.approx(
            learned.typical, rel=0.1
        )
        asked = await begin(again)
        await answered(again, await ask(again, asked.id, text))
        window = await again.turns.preview(asked.id, owner_id=ADA)
        assert window.input_tokens > 2 * before.typical * 15 * 4

    async def test_a_call_that_is_not_compared_keeps_no_count(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        await answered(engine, await ask(engine, (await begin(engine)).id))
        [call] = await rows(engine, "SELECT counted, usage_source FROM llm_requests")
        assert call == {"counted": None, "usage_source": "estimated"}
