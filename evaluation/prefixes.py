"""How much of a prompt begins the prompt before it, once the window is full: ours beside a sliding window.

Twice: computed from what is sent in 200 turns, with a persona, a summary and recalled messages; and as the small local
model reports it (`cached_tokens`, time to the first token), turn by turn with the same questions.
"""

import asyncio
import random
import re
import statistics
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.table import Bar, print_table
from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, ReplyFinished, TextDelta
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.turns.types import NewTurn, TurnDetail

LONG_TALKS: Final = Path(__file__).parent / "texts" / "long_talks.jsonl"
LEAST_SHARE: Final = 0.9
TURNS: Final = 200
LOCAL_TURNS: Final = 40
OWNER: Final = UserId("evaluation")
PERSONA: Final = "You are Margaret, a retired harbour pilot of 71 who has to decide about her pension. " + (
    "You speak in short sentences, you distrust brochures, and you want to be told the price of everything. " * 8
)
TALKS: Final[Mapping[str, tuple[int, int]]] = {
    "chat (20 and 75 words a turn)": (20, 75),
    "letters (40 and 160 words a turn)": (40, 160),
}
WINDOWS: Final = (8_192, 16_384)
SLIDING: Final[Mapping[str, Any]] = {"window_keep_share": 1.0, "recall_limit_messages": 0, "summary_model": None}
"""A window that is filled up with the newest messages every time, and nothing else: what most builders do."""
OURS: Final[Mapping[str, Any]] = {"summary_model": "talker/minutes"}
LOCAL_WINDOW_TOKENS: Final = 1536
"""The prompt's part of it; small, so that forty turns take a minute or two on two cores."""
TINY_WINDOW_TOKENS: Final = 400
LOCAL_WORDS: Final = (15, 25)


class Talker:
    """Answers with made-up words, as many as it is told."""

    name = "talker"

    def __init__(self, words: int) -> None:
        self._text = _Text(words, seed=2)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta(text=self._text.next())
        yield ReplyFinished(finish_reason="stop", usage=None)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


class _Text:
    """Sentences of everyday words, each as frequent as it is in our long talks."""

    def __init__(self, words: int, *, seed: int) -> None:
        self._random = random.Random(seed)
        self._vocabulary = re.findall(r"[a-z']+", LONG_TALKS.read_text(encoding="utf-8"))
        self._words = words

    def next(self) -> str:
        return " ".join(self._random.choices(self._vocabulary, k=self._words)) + "."


def measure(is_tiny: bool, _data: Path | None) -> list[Bar]:
    """Print shares of common prefix, computed and reported."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    bars, rows = [], []
    for window in WINDOWS[: 1 if is_tiny else None]:
        for name, words in TALKS.items():
            shares = [asyncio.run(_computed(words, window, s, 6 if is_tiny else TURNS)) for s in (OURS, SLIDING)]
            rows.append([f"{name}, {window:,} tokens", *(f"{share:.1%}" for share in shares)])
            if words == TALKS["chat (20 and 75 words a turn)"]:
                bars.append(
                    Bar(
                        name=f"common prefix, {window:,} tokens",
                        measured=shares[0],
                        limit=LEAST_SHARE,
                        is_ceiling=False,
                    )
                )
    header = [f"share of common prefix, window full, {TURNS} turns", "ours", "sliding"]
    print_table("prefixes: computed", header, rows)
    turns, tokens = (2, TINY_WINDOW_TOKENS) if is_tiny else (LOCAL_TURNS, LOCAL_WINDOW_TOKENS)
    told = {name: asyncio.run(_reported(s, turns, tokens)) for name, s in (("ours", {}), ("sliding", SLIDING))}
    header = [f"the local model, {turns} turns, window full", "cached tokens", "first token, median ms", "p90 ms"]
    rows = [[name, f"{cached:.1%}", f"{median:.0f}", f"{p90:.0f}"] for name, (cached, median, p90) in told.items()]
    print_table("prefixes: reported by llama.cpp", header, rows)
    faster = told["ours"][1] / told["sliding"][1]
    bars.append(Bar(name="first token, ours over sliding", measured=faster, limit=1.0, unit=" ×"))
    return bars


async def _computed(words: tuple[int, int], window: int, settings: Mapping[str, Any], turns: int) -> float:
    """The mean share over turns in which something was left out, as the manifests say."""
    questions, talker = _Text(words[0], seed=1), Talker(words[1])
    with tempfile.TemporaryDirectory() as folder:
        chosen = _settings(folder, model="talker/words", model_context_tokens=window, **settings)
        async with ConversationEngine(chosen, providers={"talker": talker}) as engine:
            conversation_id = await _begun(engine, window, words)
            shares = []
            for _ in range(turns):
                detail = await _turn(engine, conversation_id, questions.next())
                manifest = await engine.turns.manifest(conversation_id, detail.turn.id, owner_id=OWNER)
                if manifest and manifest["dropped"] and manifest["prefix"]["share"] is not None:
                    shares.append(manifest["prefix"]["share"])
                await asyncio.sleep(0.005)
                await engine.jobs.drain()
    return statistics.fmean(shares) if shares else 0.0


async def _reported(settings: Mapping[str, Any], turns: int, window_tokens: int) -> tuple[float, float, float]:
    """Cached over read tokens, and the median and the 90th percentile of the time to the first token."""
    questions = _Text(LOCAL_WORDS[0], seed=1)
    with tempfile.TemporaryDirectory() as folder:
        chosen = _settings(
            folder,
            model="local",
            window_budget_tokens=window_tokens,
            reply_limit_tokens=24,
            local_model_slots=1,
            **settings,
        )
        async with ConversationEngine(chosen) as engine:
            conversation_id = await _begun(engine, window_tokens, LOCAL_WORDS)
            await _turn(engine, conversation_id, questions.next())  # loads the model and reads the whole window
            calls = []
            for _ in range(turns):
                detail = await _turn(engine, conversation_id, questions.next())
                calls.append(detail.attempts[-1])
    read = sum(call.usage.input_tokens for call in calls if call.usage)
    cached = sum(call.usage.cached_tokens for call in calls if call.usage)
    waits = sorted(call.first_token_ms or 0 for call in calls)
    return cached / read, statistics.median(waits), waits[int(len(waits) * 0.9)]


def _settings(folder: str, **chosen: Any) -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/talk.db", log_level="ERROR", **chosen)  # type: ignore[arg-type]


async def _begun(engine: ConversationEngine, window: int, words: Sequence[int]) -> ConversationId:
    """A conversation that has filled its window already."""
    conversation = await engine.conversations.create(NewConversation(owner_id=OWNER, system_prompt=PERSONA))
    texts = [_Text(count, seed=3) for count in words]
    for number in range(2 * (window // (sum(words) * 2) + 1)):
        role = MessageRole.ASSISTANT if number % 2 else MessageRole.USER
        new = NewMessage(id=MessageId(new_id()), role=role, content=texts[number % 2].next())
        await engine.conversations.add_message(conversation.id, new, owner_id=OWNER)
    return conversation.id


async def _turn(engine: ConversationEngine, conversation_id: ConversationId, question: str) -> TurnDetail:
    new = NewTurn(conversation_id=conversation_id, owner_id=OWNER, content=question)
    return await engine.turns.wait(await engine.turns.submit(new))
