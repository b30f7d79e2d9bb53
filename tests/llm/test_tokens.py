"""How many tokens a text is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.llm.tokens import count_tokens, tokens_for
from conversation_engine.domains.llm.types import ModelCard


def card(provider: str) -> ModelCard:
    return ModelCard(name="m", provider=provider, provider_model="m", context_tokens=9)


class TestCountTokens:
    @pytest.mark.parametrize(("text", "tokens"), [("", 0), ("one two three", 3), ("<|endoftext|>", 7)])
    def test_it_counts_as_o200k_and_special_tokens_are_plain_text(self, text: str, tokens: int) -> None:
        assert count_tokens(text) == tokens

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_a_text_is_never_more_tokens_than_bytes(self, text: str) -> None:
        assert bool(text) <= count_tokens(text) <= len(text.encode())


class TestTokensFor:
    @given(st.integers(0, 10**6), st.sampled_from(["openai", "anthropic", "local", "unheard of"]))
    def test_other_vocabularies_never_count_fewer(self, tokens: int, provider: str) -> None:
        assert tokens_for(card(provider), tokens) >= tokens
        assert provider != "openai" or tokens_for(card(provider), tokens) == tokens
