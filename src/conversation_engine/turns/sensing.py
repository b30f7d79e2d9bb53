"""What the local embedding model says of a question in its place, in the little time there is for it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from conversation_engine.domains.context.questions.follow_up import Features
from conversation_engine.domains.context.questions.senses import Senses, sense_features, texts_of
from conversation_engine.domains.context.questions.talk import Said
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.kernel.ids import UserId

WAIT_SECONDS: Final = 0.05
"""Four short texts take two thirds of it, the only one that was not asked before a seventh (7 ms); while other
questions are in the way, or the model is being loaded, the table of meanings decides."""


class QuestionSenses:
    """Asks the model that the weights were learnt for; where another one is configured, or none, nobody."""

    def __init__(self, embeddings: EmbeddingService, senses: Senses) -> None:
        self._embeddings = embeddings
        self._is_there = embeddings.model == senses.model
        self._late: set[asyncio.Task[Sequence[bytes]]] = set()
        """Goes on for the next question: what it finds is remembered."""

    async def __call__(self, query: str, said: Sequence[Said], *, owner_id: UserId) -> Features | None:
        """What it says; `None` where it is not there, has nothing to compare, or takes too long. Never raises."""
        texts = texts_of(query, said)
        if not self._is_there or len(texts) < 2:
            return None
        asking = asyncio.create_task(self._vectors(texts, owner_id), name="question-senses")
        self._late.add(asking)
        asking.add_done_callback(self._forget)
        done, _ = await asyncio.wait([asking], timeout=WAIT_SECONDS)
        return sense_features(asking.result()) if done and asking.exception() is None else None

    async def _vectors(self, texts: Sequence[str], owner_id: UserId) -> Sequence[bytes]:
        found = [await self._embeddings.query(text, owner_id=owner_id) for text in texts]
        return [one.vector for one in found]

    def _forget(self, asking: asyncio.Task[Sequence[bytes]]) -> None:
        self._late.discard(asking)
        if not asking.cancelled():
            asking.exception()  # a model that cannot be loaded is told of by whoever needs it
