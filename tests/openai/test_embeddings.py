"""`/v1/embeddings` through the official SDK, from the real small model."""

from typing import Any

import httpx2
import openai
import pytest

MODEL = "local/all-minilm-l6-v2-int8"


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class TestEmbeddings:
    async def test_texts_of_like_meaning_are_near(self, sdk: openai.AsyncOpenAI) -> None:
        texts = ["The cat sits on the mat.", "A kitten rests on a rug.", "Interest rates rose in March."]
        answer = await sdk.embeddings.create(model=MODEL, input=texts)  # the SDK asks for base64 by itself
        assert [one.index for one in answer.data] == [0, 1, 2]
        cat, kitten, rates = (one.embedding for one in answer.data)
        assert len(cat) == 384
        assert likeness(cat, cat) == pytest.approx(1, abs=1e-5)
        assert likeness(cat, kitten) > likeness(cat, rates) + 0.2
        assert answer.usage.prompt_tokens == answer.usage.total_tokens > 15
        numbers = await sdk.embeddings.create(model=MODEL, input=texts[0], encoding_format="float", dimensions=384)
        assert numbers.data[0].embedding == pytest.approx(cat, abs=0.02)  # alone, and beside others: int8 rounds

    async def test_its_model_is_listed(self, sdk: openai.AsyncOpenAI) -> None:
        assert MODEL in [one.id async for one in sdk.models.list()]
        assert (await sdk.models.retrieve(MODEL)).owned_by == "local"

    async def test_another_model_is_not_found(self, sdk: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match="all-minilm"):
            await sdk.embeddings.create(model="text-embedding-3-small", input="x")

    @pytest.mark.parametrize(
        ("field", "value"), [("dimensions", 3), ("input", []), ("input", [[1, 2]]), ("input", ""), ("wings", 2)]
    )
    async def test_what_is_not_supported_is_named(self, http: httpx2.AsyncClient, field: str, value: Any) -> None:
        response = await http.post("/v1/embeddings", json={"model": MODEL, "input": "x", field: value})
        assert response.status_code == 400
        assert response.json()["error"]["param"].startswith(field)
