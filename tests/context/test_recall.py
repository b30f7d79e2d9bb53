"""Which older messages have to do with a question, as pure scoring."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.context.recall import (
    MOST_HITS,
    MOST_WORDS,
    NOTE_HEAD,
    STOP_WORDS,
    Found,
    best_places,
    nearest,
    neighbours,
    note_of,
    rank,
    weigh,
    words_of,
)
from conversation_engine.domains.context.types import Candidate, Recalled


def found(number: int, text: str, *, role: str = "user", conversation_id: str | None = None) -> Found:
    candidate = Candidate(number, role, text, len(text))  # type: ignore[arg-type]
    return Found((conversation_id, number), candidate)


class TestWords:
    @given(st.text(max_size=200))
    def test_are_few_different_and_safe_for_any_index(self, question: str) -> None:
        words = words_of(question)
        assert len(words) == len(set(words)) <= MOST_WORDS
        assert all(word.isalnum() and word not in STOP_WORDS for word in words)

    def test_leave_out_what_every_sentence_has(self) -> None:
        assert words_of("What did she tell you about the boat, and when?") == ["boat"]


class TestWeighing:
    def test_a_rare_word_counts_more_and_an_everyday_word_nothing(self) -> None:
        here = (None, 1)
        everywhere = [(None, number) for number in range(MOST_HITS)]
        scores, total = weigh([everywhere, [here]], messages=1000)
        assert scores == {here: total}

    def test_words_that_are_all_everywhere_still_find_something(self) -> None:
        scores, _ = weigh([[(None, number) for number in range(MOST_HITS)]], messages=1000)
        assert len(scores) == MOST_HITS
        assert len(best_places(scores, wanted=3)) < MOST_HITS

    def test_a_stray_word_of_many_is_not_enough(self) -> None:
        scores, total = weigh([[(None, 5)], *[[]] * 8], messages=100)
        assert rank([found(5, "one stray word")], scores, total=total) == []


class TestRank:
    def test_a_reply_comes_with_what_it_replies_to(self) -> None:
        scores = {(None, 5): 4.0}
        asked = found(5, "what is your sister's name", role="assistant")
        said = [found(4, "hm"), asked, found(6, "Philippa"), found(7, "I see", role="assistant")]
        assert [one.candidate.sequence_number for one in rank(said, scores, total=4.0)] == [5, 6]

    def test_nobody_replies_to_themselves(self) -> None:
        said = [found(5, "my sister"), found(6, "and then it rained")]
        assert [one.candidate.sequence_number for one in rank(said, {(None, 5): 4.0}, total=4.0)] == [5]

    def test_of_two_with_the_same_words_the_shorter_is_better(self) -> None:
        scores = {(None, 2): 4.0, (None, 9): 4.0}
        said = [found(2, "bees"), found(9, "bees " + "and so on " * 50)]
        assert [one.candidate.sequence_number for one in rank(said, scores, total=4.0)] == [2, 9]

    def test_neighbours_are_of_the_same_conversation(self) -> None:
        assert neighbours([("a", 2)]) == {("a", 1), ("a", 2), ("a", 3)}


class TestNote:
    @given(st.lists(st.integers(1, 60), max_size=9), st.integers(0, 200), st.integers(0, 4))
    def test_never_has_more_than_its_room_and_is_in_order(self, sizes: Sequence[int], room: int, most: int) -> None:
        ranked = [Recalled(Candidate(100 - n, "user", "x" * size, size), 1.0) for n, size in enumerate(sizes)]
        chosen, note = note_of(ranked, most=most, room=room, count=len)
        assert len(chosen) <= most
        numbers = [one.candidate.sequence_number for one in chosen]
        assert numbers == sorted(numbers)
        if note is not None:
            assert note[0].startswith(NOTE_HEAD)
            assert note[1] == len(note[0]) <= room


class TestNearest:
    async def test_meaning_counts_beside_words(self) -> None:
        class ByLength:
            async def scores(self, *, question: str, texts: Sequence[str]) -> Sequence[float]:
                return [1.0 if len(text) > 3 else 0.0 for text in texts]

        ranked = [Recalled(Candidate(1, "user", "bee", 1), 2.0), Recalled(Candidate(2, "user", "honey", 1), 1.9)]
        best, other = await nearest(ByLength(), "bees?", ranked)
        assert best.candidate.text == "honey"
        assert best.score == pytest.approx((1.9 / 2.0 + 1) / 2)
        assert other.score == pytest.approx(0.5)
