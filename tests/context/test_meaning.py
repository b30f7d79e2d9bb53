"""What words mean, roughly, and how near a question is to what was said."""

from pathlib import Path

import pytest

from conversation_engine.domains.context.questions.meaning import Meanings, likeness, load_meanings
from conversation_engine.domains.context.questions.nearness import Nearness
from conversation_engine.domains.context.questions.talk import Asked, Said, Talk
from conversation_engine.domains.context.questions.words import words_of


@pytest.fixture(scope="module")
def table() -> Meanings:
    return load_meanings()


class TestMeanings:
    def test_words_that_are_used_alike_are_near(self, table: Meanings) -> None:
        def near(one: str, other: str) -> float:
            return likeness(table.gist(words_of(one)).mean, table.gist(words_of(other)).mean)

        assert near("bees", "honey") > near("bees", "mortgage") + 0.2
        assert near("rent", "landlord") > near("rent", "volcano") + 0.2
        assert near("knee surgery", "ligament") > near("knee surgery", "opera") + 0.2

    def test_a_text_is_as_near_as_can_be_to_itself(self, table: Meanings) -> None:
        gist = table.gist(words_of("How do vaccines protect children?"))
        assert likeness(gist.mean, gist.mean) == pytest.approx(1)

    @pytest.mark.parametrize("text", ["", "is it the", "xqzzy blorpt", "これは何ですか"])
    def test_words_that_nobody_knows_mean_nothing(self, table: Meanings, text: str) -> None:
        gist = table.gist(words_of(text))
        assert set(gist.mean) == {0.0}
        assert not gist.directions

    def test_common_words_tell_less_than_rare_ones(self, table: Meanings) -> None:
        city, aqueduct, unknown = table.gist(words_of("city aqueduct xqzzy")).meant
        assert 0 < city.weight < aqueduct.weight < unknown.weight == 1

    def test_the_table_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        file = tmp_path / "meanings.bin"
        file.write_bytes(b'{"dimensions": 2}\ncat dog\n' + bytes([3, 4, 0, 256 - 5]))
        cat, dog = (load_meanings(file).gist(words_of(word)).mean for word in ("cats", "dog"))
        assert dog == pytest.approx([0, -1])
        assert cat == pytest.approx([0, 0])  # the commonest word of all tells nothing


class TestNearness:
    def test_a_new_topic_is_far_from_everything(self, table: Meanings) -> None:
        questions = ("Why are bees important for agriculture?", "What is threatening their survival?")
        talk = Talk.of([Said(number, "user", text) for number, text in enumerate(questions, start=1)])
        nearness = Nearness(table)
        on, off = (
            nearness.features(Asked.of(text), talk)
            for text in ("Which chemicals kill the insects?", "When was the opera house in Sydney built?")
        )
        for name in ("near.all", "near.nearest", "word.average", "word.nearest"):
            assert on[name] > off[name] + 0.1
        assert off["word.new.strangest"] > on["word.new.strangest"]

    def test_a_word_that_was_said_is_as_near_as_can_be(self, table: Meanings) -> None:
        talk = Talk.of([Said(1, "user", "Tell me about xqzzy.")])
        assert Nearness(table).features(Asked.of("Who made xqzzy?"), talk)["word.nearest"] == 1

    def test_a_question_without_words_of_its_own_is_near_to_nothing(self, table: Meanings) -> None:
        assert Nearness(table).features(Asked.of("What is it?"), Talk.of([Said(1, "user", "Bees?")])) == {}
