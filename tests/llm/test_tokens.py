"""How many tokens a text is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.llm.characters import characters_in
from conversation_engine.domains.llm.tokens import (
    MESSAGE_OVERHEAD_TOKENS,
    Script,
    count_prompt,
    count_tokens,
    estimate,
    estimate_prompt,
    script_of,
    tokens_for,
    vocabulary_of,
)
from conversation_engine.domains.llm.types import LLMMessage, ModelCard, ScriptRatio, TokenRatios

texts = st.text(st.characters(exclude_categories=["Cs"]))


def card(provider: str, model: str = "m", ratios: TokenRatios | None = None) -> ModelCard:
    return ModelCard(name="m", provider=provider, provider_model=model, context_tokens=9, ratios=ratios)


class TestCountTokens:
    @pytest.mark.parametrize(("text", "tokens"), [("", 0), ("one two three", 3), ("<|endoftext|>", 7)])
    def test_it_counts_as_o200k_and_special_tokens_are_plain_text(self, text: str, tokens: int) -> None:
        assert count_tokens(text) == tokens

    @given(texts)
    def test_a_text_is_never_more_tokens_than_bytes(self, text: str) -> None:
        assert bool(text) <= count_tokens(text) <= len(text.encode())


class TestVocabularyOf:
    @pytest.mark.parametrize(
        ("provider", "model", "vocabulary"),
        [
            ("openai", "gpt-4o-mini", "o200k_base"),
            ("openai", "gpt-5-mini", "o200k_base"),
            ("openai", "gpt-4.1", "o200k_base"),
            ("openai", "o3", "o200k_base"),
            ("openai", "gpt-4-turbo", "cl100k_base"),
            ("openai", "gpt-3.5-turbo", "cl100k_base"),
            ("openai", "our-llama", None),
            ("anthropic", "gpt-4o", None),
            ("local", "smollm2", None),
        ],
    )
    def test_a_model_whose_vocabulary_we_have_is_known_by_its_name(
        self, provider: str, model: str, vocabulary: str | None
    ) -> None:
        assert vocabulary_of(card(provider, model)) == vocabulary


class TestScriptOf:
    @pytest.mark.parametrize(
        ("text", "script"),
        [
            ("The committee met on Tuesday to discuss the proposal.", Script.PROSE),
            ('{"id": 48213, "sku": "A-17", "count": 2}', Script.DENSE),
            ("Der Ausschuss traf sich, um über den Vorschlag zu beraten.", Script.LATIN),
            ("Комитет собрался во вторник.", Script.TWO_BYTES),
            ("委员会星期二开会。", Script.THREE_BYTES),
            ("", Script.PROSE),
        ],
    )
    def test_bytes_and_tokens_tell(self, text: str, script: Script) -> None:
        assert script_of(text, count_tokens(text)) is script

    @given(st.text())
    def test_any_text_has_one(self, text: str) -> None:
        assert script_of(text, len(text)) in Script


class TestTokensFor:
    @given(texts, st.sampled_from(["openai", "anthropic", "local", "unheard of"]))
    def test_other_vocabularies_never_count_fewer(self, text: str, provider: str) -> None:
        assert tokens_for(card(provider), text) >= count_tokens(text)
        assert tokens_for(card("openai", "gpt-4o"), text) == count_tokens(text)

    def test_a_count_that_is_known_is_not_made_again(self) -> None:
        assert tokens_for(card("openai", "gpt-4o"), "whatever", 1000) == 1000

    def test_what_was_learned_of_the_script_counts(self) -> None:
        by_script = tuple(ScriptRatio(typical=1.0 + script, safe=2.0 + script) for script in Script)
        learned = card("p", "m", TokenRatios(by_script=by_script, template_tokens=(20, 3)))
        assert (tokens_for(learned, "委员会", 10), estimate(learned, "one two three four")) == (60, 4)
        said = [LLMMessage("user", "one two three four")]
        assert estimate_prompt(learned, said) == 4 + MESSAGE_OVERHEAD_TOKENS + 20
        instructed = [LLMMessage("system", "one two three four"), *said]
        assert estimate_prompt(learned, instructed) == 2 * (4 + MESSAGE_OVERHEAD_TOKENS) + 3


class TestEstimate:
    def test_it_is_exact_where_we_have_the_vocabulary(self) -> None:
        text = "Комитет собрался во вторник."
        assert estimate(card("openai", "gpt-4"), text) == count_tokens(text, "cl100k_base") > count_tokens(text)

    def test_weights_go_before_ratios(self) -> None:
        by_script = (ScriptRatio(typical=9.0, safe=9.0),) * len(Script)
        weights = (1.5,) * len(Script) + (0.0, 1.0, 0.0, 0.0) + (0.7, 0.4)
        learned = card("p", "m", TokenRatios(by_script=by_script, template_tokens=(90, 90), weights=lambda: weights))
        russian, english = "Комитет собрался во вторник.", "one two three four"
        letters = sum(not one.isascii() for one in russian)
        assert estimate(learned, english) == 6
        assert estimate(learned, russian) == round(1.5 * count_tokens(russian) + letters / 2)
        said = [LLMMessage("user", english)]
        assert estimate_prompt(learned, said) == 6 + 7 + MESSAGE_OVERHEAD_TOKENS
        instructed = [LLMMessage("system", english), *said]
        assert estimate_prompt(learned, instructed) == 2 * (6 + MESSAGE_OVERHEAD_TOKENS) + 4

    @given(texts, st.floats(-50, 50))
    def test_however_odd_they_are_a_count_is_plausible(self, text: str, weight: float) -> None:
        by_script = (ScriptRatio(typical=1.0, safe=1.0),) * len(Script)
        odd = card("p", "m", TokenRatios(by_script=by_script, weights=lambda: (weight,) * 11))
        ours = count_tokens(text)
        assert int(0.3 * ours) <= estimate(odd, text) <= 8 * ours + 200


class TestCountPrompt:
    def test_it_counts_each_script_by_itself(self) -> None:
        said = [
            LLMMessage("system", "Please be brief and patient with everybody."),
            LLMMessage("user", "委员会星期二开会。"),
        ]
        counted = count_prompt(said)
        assert (counted.messages, counted.is_instructed) == (2, True)
        assert counted.by_script[Script.PROSE] == count_tokens(said[0].content)
        assert counted.by_script[Script.THREE_BYTES] == count_tokens(said[1].content)
        assert sum(counted.by_script) == sum(count_tokens(message.content) for message in said)
        assert counted.characters == (0, 0, 0, 9)


class TestCharacters:
    @pytest.mark.parametrize(
        ("text", "kinds"),
        [
            ("", (0, 0, 0, 0)),
            ("Only ASCII: 1 + 1\n", (0, 0, 0, 0)),
            ("Über Ärger, señor ő", (4, 0, 0, 0)),
            ("Комитет και שלום", (0, 14, 0, 0)),
            ("हिन्दी “so”", (0, 0, 8, 0)),
            ("盾状火山 カ 한국 🌋", (0, 0, 0, 8)),
        ],
    )
    def test_what_is_not_ascii_is_told_apart(self, text: str, kinds: tuple[int, ...]) -> None:
        assert characters_in(text) == kinds

    @given(texts)
    def test_every_character_beyond_ascii_is_of_one_kind(self, text: str) -> None:
        assert sum(characters_in(text)) == sum(not character.isascii() for character in text)
