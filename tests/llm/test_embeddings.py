"""Texts as vectors: the model in the wheel, and any service of the OpenAI dialect."""

import asyncio
import json
import math
import struct
import time

import pytest

from conversation_engine.domains.llm.embeddings.errors import EmbeddingsOffError
from conversation_engine.domains.llm.embeddings.local import LocalEmbedder, is_installed
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.llm.errors import MalformedStreamError, ModelError, ModelRateLimitedError
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_embeddings
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import UserId
from conversation_engine.testing import WordEmbedder
from tests.llm.stub import running_stub

ADA = UserId("ada")


def cosine(one: Vector, two: Vector) -> float:
    return math.fsum(
        a * b for (a,), (b,) in zip(struct.iter_unpack("<f", one), struct.iter_unpack("<f", two), strict=True)
    )


def answer(body: object, *, status: str = "200 OK") -> bytes:
    raw = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(raw)}\r\nconnection: close\r\n\r\n".encode() + raw


@pytest.mark.skipif(not is_installed(), reason="the `retrieval` extra is not installed")
class TestLocal:
    async def test_what_means_the_same_is_near(self) -> None:
        embedder = LocalEmbedder(threads=1)
        try:
            query = await embedder.embed_query("How do I renew my passport?", owner_id=ADA)
            near, far = await embedder.embed_passages(
                ["Extending a travel document", "Bread needs flour, water and salt"], owner_id=ADA
            )
            assert len(query) == 384 * 4
            assert cosine(query, query) == pytest.approx(1, abs=1e-5)
            assert cosine(query, near) > cosine(query, far) + 0.2
        finally:
            await embedder.aclose()

    async def test_a_batch_gives_what_each_text_gives_alone(self) -> None:
        embedder = LocalEmbedder(threads=1)
        texts = ["short", "a text of middle length about harbours", "long " * 400, ""]
        try:
            together = await embedder.embed_passages(texts, owner_id=ADA)
            for text, vector in zip(texts, together, strict=True):
                assert (
                    cosine(vector, await embedder.embed_query(text, owner_id=ADA)) > 0.98
                )  # int8 rounds by what is beside it
        finally:
            await embedder.aclose()

    async def test_the_event_loop_goes_on_meanwhile(self) -> None:
        embedder = LocalEmbedder(threads=1)
        try:
            await embedder.embed_query("load the model", owner_id=ADA)
            embedding = asyncio.create_task(embedder.embed_passages(["harbour boats " * 120] * 30, owner_id=ADA))
            turns, before = 0, time.thread_time()
            while not embedding.done():
                await asyncio.sleep(0)
                turns += 1
            assert turns > 100  # blocked, it would have been two
            assert time.thread_time() >= before
        finally:
            await embedder.aclose()


class TestOpenAI:
    @staticmethod
    def service(base_url: str) -> EmbeddingService:
        return make_embeddings(Settings(embedding_model="openai/small", embedding_base_url=base_url))

    async def test_vectors_come_in_the_order_of_the_texts_and_have_length_one(self) -> None:
        async with running_stub() as stub:
            stub.plan = [answer({"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]})]
            service = self.service(stub.base_url)
            vectors = await service.passages(["a", "b"], owner_id=ADA)
            assert [struct.unpack("<2f", vector) for vector in vectors] == [pytest.approx((0.6, 0.8)), (0, 1)]
            assert stub.requests == [{"model": "small", "input": ["a", "b"], "encoding_format": "float"}]
            assert service.model == "openai/small"
            await service.aclose()

    @pytest.mark.parametrize(
        ("body", "status", "error"),
        [
            ({"error": {"code": "rate_limit_exceeded"}}, "429 Too Many Requests", ModelRateLimitedError),
            ({"data": []}, "200 OK", MalformedStreamError),
            ({"data": [{"index": 0, "embedding": ["x"]}]}, "200 OK", MalformedStreamError),
            ({"data": [{"index": 0, "embedding": [0, 0]}]}, "200 OK", MalformedStreamError),
            ([], "200 OK", MalformedStreamError),
        ],
    )
    async def test_what_goes_wrong_has_a_name_of_ours(self, body: object, status: str, error: type[ModelError]) -> None:
        async with running_stub() as stub:
            stub.plan = [answer(body, status=status)]
            service = self.service(stub.base_url)
            with pytest.raises(error):
                await service.query("a", owner_id=ADA)
            await service.aclose()


class TestService:
    async def test_a_query_is_embedded_once(self) -> None:
        embedder = WordEmbedder()
        service = EmbeddingService(embedder)
        assert [(await service.query("boats", owner_id=ADA)).was_cached for _ in range(2)] == [False, True]
        assert embedder.queries == ["boats"]

    async def test_without_a_model_it_says_so(self) -> None:
        service = make_embeddings(Settings(embedding_model="none"))
        assert service.model is None
        with pytest.raises(EmbeddingsOffError):
            await service.query("boats", owner_id=ADA)

    @pytest.mark.parametrize("name", ["", "openai", "openai/", "word2vec"])
    async def test_a_name_that_is_none_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidInputError):
            make_embeddings(Settings(embedding_model=name))
