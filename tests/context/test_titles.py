"""Titles by rules, as a person would write them."""

import pytest

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.talk import Said
from conversation_engine.domains.context.questions.titles import TITLE_CHARACTERS, title_of
from conversation_engine.domains.context.questions.weights import load_weights


class TestTitles:
    @pytest.mark.parametrize(
        ("first", "title"),
        [
            # greetings and asking go
            ("Hello, I'm looking for a dentist in Morgan Hill.", "Dentist in Morgan Hill"),
            ("hey, can you please help me find a train to York? thanks", "Find a train to York"),
            ("Could you tell me about the benefits of sleeping long?", "Benefits of sleeping long"),
            ("I'd like to know how a black hole is formed, please.", "How a black hole is formed"),
            ("Let me see my alarms please.", "My alarms"),
            ("Will you find me a therapist?", "Find a therapist"),
            ("i need a python script that sorts a list", "Python script that sorts a list"),
            # so does what only makes a question of it
            ("How do I center a div using CSS?", "How to center a div using CSS"),
            ("What's the best way to study for an exam?", "Best way to study for an exam"),
            ("What were the most important events in 1969?", "Most important events in 1969"),
            ("What is a shield volcano?", "Shield volcano"),
            # but not where nothing would be left, or half of a thought
            ("What is inflation?", "What is inflation"),
            ("What is a lease?", "What is a lease"),
            ("What is the earth made of?", "What is the earth made of"),
            ("What are the kids doing?", "What are the kids doing"),
            ('Who wrote "Crime and Punishment"?', 'Who wrote "Crime and Punishment"'),
            # the sentence that asks, where it says what for
            ("I am not feeling well. Help me find a doctor.", "Find a doctor"),
            ("I'll be in Bath soon, please find a room near the river.", "Find a room near the river"),
            ("My Wi-Fi is slow. Can you tell me how to fix it?", "My Wi-Fi is slow"),
            ("How can I promote my app? it has no users yet", "How to promote my app"),
            ("Here is my code:\n```python\nprint(1 / 0)\n```\nWhy does it fail?", "Here is my code"),
            ("Mr. Smith teaches maths. What is his address?", "Mr. Smith teaches maths"),
            # one line, sentence case, no stop at the end
            ("  two\n lines ", "Two lines"),
            ("# planning a trip to hungary...", "Planning a trip to hungary"),
            ("HOW DO I RESET MY PASSWORD", "How to reset my password"),
            ("iPhone does not charge", "iPhone does not charge"),
            ("x86 or ARM", "x86 or ARM"),
            ("wie groß ist der Mond?", "Wie groß ist der Mond"),
            ("月はどれくらい大きいですか\uff1f", "月はどれくらい大きいですか"),
        ],
    )
    def test_of_what_people_say_first(self, first: str, title: str) -> None:
        assert title_of(first) == title

    @pytest.mark.parametrize("first", ["", " \n", "???", "hi", "Hello there!", "Good morning, how are you?", "hey :)"])
    def test_of_nothing_is_none(self, first: str) -> None:
        assert title_of(first) is None

    @pytest.mark.parametrize(
        ("first", "title"),
        [
            (
                "I'm worried about the resale value of my car, and I look for ways to maintain or to improve it.",
                "Resale value of my car",
            ),
            (
                "Write a letter to your future self, as if you were the captain of a small ship in a storm.",
                "Write a letter to your future self",
            ),
            (
                "What are the pros and cons of a hybrid car compared to a traditional petrol vehicle of that size?",
                "Pros and cons of a hybrid car compared to a traditional…",
            ),
            (
                "Recommend me ten places to visit between Barcelona and Saragossa and the mountains in the north",
                "Recommend me ten places to visit between Barcelona…",
            ),
            ("x" * 300, "X" + "x" * 58 + "…"),
        ],
    )
    def test_a_long_one_ends_with_a_clause_or_a_word_that_may_stand_last(self, first: str, title: str) -> None:
        assert title_of(first) == title
        assert len(title) <= TITLE_CHARACTERS

    @pytest.mark.parametrize("first", ["hi " * 4000, "dear " * 4000, "please, " * 4000, "a, " * 4000, "```" * 4000])
    def test_odd_ones_are_read_to_a_limit(self, first: str) -> None:
        assert len(title_of(first) or "") <= TITLE_CHARACTERS

    def test_who_said_hello_first_is_heard_later(self) -> None:
        topics = QuestionReader(load_weights(), intents={}).topics
        said = [Said(1, "user", "Hello!"), Said(2, "assistant", "Hi."), Said(3, "user", "Can you explain tides?")]
        assert topics.title(said[:2]) is None
        assert topics.title(said) == "Explain tides"
