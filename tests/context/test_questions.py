"""What a question means in its conversation: rules and learnt weights, without a model."""

from collections.abc import Callable, Sequence

import pytest

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.settings import DEFAULT_INTENTS
from conversation_engine.domains.context.questions.talk import Said
from conversation_engine.domains.context.questions.weights import load_weights
from tests.context.questions import FOLLOW_UPS, NEW_TOPICS, TALKS

PRONOUNS = ("it", "that", "this", "them", "those")


@pytest.fixture(scope="module")
def reader() -> QuestionReader:
    return QuestionReader(load_weights(), intents=DEFAULT_INTENTS)


def talk(*texts: str) -> list[Said]:
    """What people and the assistant said in turns; an empty text is a turn without a reply."""
    roles = ("user", "assistant")
    return [Said(n, roles[(n - 1) % 2], text) for n, text in enumerate(texts, start=1)]  # type: ignore[arg-type]


def asked(*texts: str) -> list[Said]:
    return [Said(number, "user", text) for number, text in enumerate(texts, start=1)]


class TestFollowUp:
    def test_nothing_follows_nothing(self, reader: QuestionReader) -> None:
        found = reader.understand("How does that compare to it?", [])
        assert not found.follow_up.is_follow_up
        assert found.follow_up.confidence == 1
        assert found.follow_up.previous_topic is None
        assert found.standalone == "How does that compare to it?"

    def test_the_example_of_the_facade(self, reader: QuestionReader) -> None:
        said = talk("What was click rate last month?", '{"click_rate": 2.5}')
        found = reader.understand("How does that compare to ES market?", said).follow_up
        assert found.is_follow_up
        assert found.confidence > 0.5
        assert found.previous_topic is not None
        assert "click" in found.previous_topic
        assert list(found.context) == said

    def test_a_new_topic_after_a_long_conversation_is_none(self, reader: QuestionReader) -> None:
        said = asked(*(text for questions in TALKS.values() for text in questions), *TALKS["chess"] * 5)
        assert not reader.understand("How can I lower my electricity bill at home?", said).follow_up.is_follow_up
        assert reader.understand("Who won it?", said).follow_up.is_follow_up

    def test_it_is_better_than_a_list_of_pronouns_by_far(self, reader: QuestionReader) -> None:
        def balanced(verdict: Callable[[str, Sequence[Said]], bool]) -> float:
            found = sum(verdict(query, asked(*TALKS[name])) for name, query in FOLLOW_UPS) / len(FOLLOW_UPS)
            places = [(query, asked(*said)) for query in NEW_TOPICS for said in list(TALKS.values())[::3]]
            kept = sum(not verdict(query, said) for query, said in places) / len(places)
            return (found + kept) / 2

        learnt = balanced(lambda query, said: reader.understand(query, said).follow_up.is_follow_up)
        listed = balanced(lambda query, said: any(word in query.lower() for word in PRONOUNS))
        assert learnt >= 0.82
        assert learnt >= listed + 0.15

    def test_it_says_which_message_it_leans_on(self, reader: QuestionReader) -> None:
        said = asked(
            "Tell me about shield volcanoes.", "What is a cinder cone?", "Where can I buy cheap flights to Rome?"
        )
        found = reader.understand("How long does it take to fly there?", said).follow_up
        assert found.is_follow_up
        assert found.leans_on == 3

    def test_a_long_history_costs_what_a_short_one_costs(self, reader: QuestionReader) -> None:
        long = talk(*("What is said here about the harbour? " * 40, "Ships come and go. " * 400) * 200)
        read = reader.understand("When did they come?", long).follow_up.context
        assert len(read) == 12

    @pytest.mark.parametrize("query", ["", "?", "…", "🙂", "これは何ですか", "a" * 100_000, "the the the", "\n\t"])
    def test_any_text_is_understood_somehow(self, reader: QuestionReader, query: str) -> None:
        found = reader.understand(query, talk("What is bebop?", "A style of jazz."))
        assert 0.5 <= found.follow_up.confidence <= 1
        assert found.standalone.startswith(query)


class TestStandalone:
    def test_a_follow_up_gets_the_words_it_leans_on(self, reader: QuestionReader) -> None:
        said = asked(
            "What is photosynthesis?", "Who wrote Moby Dick?", "Tell me about hammerhead sharks.", "Where do they live?"
        )
        rewritten = reader.understand("What do they eat?", said).standalone
        assert rewritten.startswith("What do they eat? (")
        assert "sharks" in rewritten
        assert "wrote" not in rewritten
        assert "Moby" not in rewritten

    def test_a_question_that_stands_alone_is_left_alone(self, reader: QuestionReader) -> None:
        query = "What are the benefits of learning the Portuguese language?"
        assert reader.understand(query, asked(*TALKS["kidney"])).standalone == query

    def test_few_words_are_added_however_many_were_said(self, reader: QuestionReader) -> None:
        said = talk("Who was Ada Lovelace?", " ".join(f"Name{n} Person{n} wrote Book{n}." for n in range(60)))
        rewritten = reader.understand("What did she write?", said).standalone
        assert len(rewritten.split()) <= 4 + 8


class TestTopics:
    def test_the_topic_is_what_was_asked_about(self, reader: QuestionReader) -> None:
        topic = reader.topics.topic(asked("What causes kidney stones?", "How are kidney stones treated?"))
        assert "kidney" in topic
        assert "stones" in topic

    def test_segments_begin_where_people_turn_to_something_else(self, reader: QuestionReader) -> None:
        said = talk(
            "Who invented the game of chess?",
            "Chess came from India.",
            "How did it reach Europe?",
            "Through Persia and the Arab world.",
            "What is a good recipe for sourdough bread with rye?",
            "Mix rye flour and water.",
            "How long does it have to rise?",
            "Twelve hours.",
        )
        segments = reader.topics.segments(said)
        assert [(part.first, part.last) for part in segments] == [(1, 4), (5, 8)]
        assert "chess" in segments[0].topic.lower()
        assert "sourdough" in segments[1].topic

    def test_nothing_said_has_no_topic(self, reader: QuestionReader) -> None:
        assert reader.topics.segments([]) == []
        assert reader.topics.topic([]) == ""


class TestIntents:
    @pytest.mark.parametrize(
        ("query", "intent"),
        [
            ("How does that compare to the ES market?", "comparison"),
            ("Why is the sky blue?", "explanation"),
            ("Translate this into French", "instruction"),
            ("Who wrote it?", "lookup"),
            ("hello there", "small_talk"),
            ("xyzzy", None),
        ],
    )
    def test_the_default_labels(self, reader: QuestionReader, query: str, intent: str | None) -> None:
        assert reader.understand(query, []).intent == intent

    def test_labels_are_the_operators(self) -> None:
        own = QuestionReader(load_weights(), intents={"billing": ["invoice", "refund"], "access": ["password"]})
        assert own.understand("I forgot my passwords", []).intent == "access"
        assert own.understand("Two invoices are wrong", []).intent == "billing"
        assert QuestionReader(load_weights(), intents={}).understand("my invoice", []).intent is None
