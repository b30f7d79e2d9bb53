"""What an embedding model says of a question: heard where it is the one that was learnt for, and in time."""

import asyncio

import pytest

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.senses import (
    QUESTIONS_COMPARED,
    Senses,
    load_senses,
    texts_of,
)
from conversation_engine.domains.context.questions.talk import Said
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.llm.embeddings.local import MODEL
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.kernel.ids import UserId
from conversation_engine.testing import WordEmbedder
from conversation_engine.turns.sensing import QuestionSenses

ADA = UserId("ada")
SAID = [Said(1, "user", "What is a tide?"), Said(2, "assistant", "The sea."), Said(3, "user", "And a spring tide?")]


class SlowEmbedder(WordEmbedder):
    """One that answers when it is told to."""

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model)
        self.may_answer = asyncio.Event()

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        await self.may_answer.wait()
        return await super().embed_query(text, owner_id=owner_id)


def of(embedder: WordEmbedder | None, *, model: str = MODEL) -> QuestionSenses:
    return QuestionSenses(EmbeddingService(embedder), Senses(model=model, follow_up={"bias": 0.0}))


class TestSenses:
    def test_the_weights_are_for_the_local_model_and_its_dimensions(self) -> None:
        senses = load_senses()
        assert senses.model == MODEL
        assert {"bias", "sense.0", "sense.383", "sense.newest"} <= senses.follow_up.keys()

    def test_the_question_is_compared_with_the_newest_that_were_asked(self) -> None:
        said = [Said(number, "user", f"question {number}") for number in range(9)]
        assert texts_of("now?", said) == ["now?", "question 6", "question 7", "question 8"]
        assert len(texts_of("now?", said)) == 1 + QUESTIONS_COMPARED

    async def test_it_is_asked_once_for_each_text(self) -> None:
        embedder = WordEmbedder(model=MODEL)
        senses = of(embedder)
        found = await senses("And a neap tide?", SAID, owner_id=ADA)
        assert found == await senses("And a neap tide?", SAID, owner_id=ADA)
        assert found is not None
        assert 0 < found["sense.newest"] < 1
        assert embedder.queries == ["And a neap tide?", "What is a tide?", "And a spring tide?"]

    @pytest.mark.parametrize("model", ["another/model", None])
    async def test_of_another_model_nobody_is_asked(self, model: str | None) -> None:
        embedder = None if model is None else WordEmbedder(model=model)
        assert await of(embedder)("And a neap tide?", SAID, owner_id=ADA) is None
        assert embedder is None or embedder.queries == []

    async def test_a_first_question_is_compared_with_nothing(self) -> None:
        embedder = WordEmbedder(model=MODEL)
        assert await of(embedder)("What is a tide?", [], owner_id=ADA) is None
        assert embedder.queries == []

    async def test_nobody_waits_for_a_slow_one_and_what_it_says_is_there_the_next_time(self) -> None:
        embedder = SlowEmbedder(model=MODEL)
        senses = of(embedder)
        assert await senses("And a neap tide?", SAID, owner_id=ADA) is None
        embedder.may_answer.set()
        while senses._late:
            await asyncio.sleep(0)
        asked = len(embedder.queries)
        assert await senses("And a neap tide?", SAID, owner_id=ADA) is not None
        assert len(embedder.queries) == asked == 3

    async def test_one_that_breaks_is_none(self) -> None:
        embedder = WordEmbedder(model=MODEL)
        embedder.fail_with = RuntimeError("no weights")
        assert await of(embedder)("And a neap tide?", SAID, owner_id=ADA) is None

    def test_what_is_said_changes_the_verdict(self) -> None:
        """Of a question that could be either."""
        reader = QuestionReader(load_weights(), intents={})
        query = "What are the main types?"
        weights = load_senses().follow_up
        loud = {name: (1.0 if weights[name] > 0 else -1.0) for name in weights if name.startswith("sense.")}
        quiet = {name: -value for name, value in loud.items()}
        assert reader.understand(query, SAID, sense=loud).follow_up.is_follow_up
        assert not reader.understand(query, SAID, sense=quiet).follow_up.is_follow_up
