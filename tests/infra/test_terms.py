"""What a text is found by."""

import pytest

from conversation_engine.domains.retrieval.search import highlights
from conversation_engine.infra.words.terms import STOP_WORDS, term_of, terms_of, words_of


class TestTermsOf:
    @pytest.mark.parametrize(
        ("text", "terms"),
        [
            ("The boats are sailing", ["boat", "sail"]),
            ("Ada's computer", ["ada", "comput"]),
            ("don't", ["don"]),
            ("time-sharing in 1966", ["time", "share", "1966"]),
            ("Zürich ZÜRICH zurich", ["zurich", "zurich", "zurich"]),
            ("STRASSE Straße", ["strass", "strass"]),
            ("Привет, мир", ["привет", "мир"]),
            ("データベース", ["テー", "ータ", "タヘ", "ヘー", "ース"]),
            ("中文搜索engine", ["中文", "文搜", "搜索", "engin"]),
            ("the of and", []),
            ("_ ' - … \x00", []),
            ("", []),
        ],
    )
    def test_words_are_folded_and_stemmed(self, text: str, terms: list[str]) -> None:
        assert terms_of(text) == terms

    def test_a_term_never_holds_what_an_index_would_cut(self) -> None:
        text = "".join(map(chr, range(1, 0x3000))) + "😀 a'b’c x'; DROP TABLE -- \\ 'quoted' \"double\""
        for term in terms_of(text):
            assert len(term) <= 40
            assert all(c.isalnum() for c in term if c.isascii()), term
            assert not set(term) & set("' \"\\")

    def test_no_stop_word_is_a_term(self) -> None:
        assert [word for word in STOP_WORDS if term_of(word)] == []


class TestWordsOf:
    def test_their_places_are_places_in_the_text(self) -> None:
        text = "Boats, 中文搜索 and Ada's harbour"
        assert [text[start:end] for _, start, end in words_of(text)] == [
            "Boats", "中文", "文搜", "搜索", "and", "Ada's", "harbour",
        ]  # fmt: skip


class TestHighlights:
    def test_they_are_what_matched_however_it_is_written(self) -> None:
        text = "Boat and BOATS: the boating season"
        spans = highlights(text, set(terms_of("boat seasons")))
        assert [text[start:end] for start, end in spans] == ["Boat", "BOATS", "boating", "season"]

    def test_overlapping_pairs_are_one(self) -> None:
        assert list(highlights("中文搜索", set(terms_of("中文搜索")))) == [(0, 4)]
