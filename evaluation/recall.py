"""Whether a window brings back what a question is about, once it is far behind: evidence recall on long conversations.

A chats file is JSON lines, one conversation each:

    {"conversation_id": "…", "messages": [{"id": "…", "role": "user", "content": "…"}, …],
     "questions": [{"question": "…", "evidence": ["id of a message", …]}, …]}

`texts/long_talks.jsonl` was written for this. Files `*.chats.jsonl` in the folder given with `--data` are measured,
too, and long talks made of MT-Bench-101's (`chats/mtbench101.jsonl.gz` there): thirty short ones about context memory
behind each other, their last questions asked at the end; evidence is what the person said before in the same short one.
Every question is put to the whole conversation through `preview`, so nothing is said and no model is asked.
"""

import asyncio
import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from benchmarks.table import Bar, print_table
from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.testing import ScriptedModel

OWN = Path(__file__).parent / "texts" / "long_talks.jsonl"
PUBLIC = "MT-Bench-101, context memory"
MEMORY = "CM"
TALKS_TOGETHER = 30
LEAST_RECALL = 0.6
BUDGET_TOKENS = 1500
"""A window that holds a tenth of each conversation: what is asked about is outside it nearly always."""
OWNER = UserId("evaluation")
BATCH = 200
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "newest messages only": {"recall_limit_messages": 0},
    "recall, 3 messages (default)": {},
    "recall, 10 messages": {"recall_limit_messages": 10, "recall_share": 0.4},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation, what is asked about it, and where the answer stands (places from 1)."""

    messages: Sequence[tuple[str, str]]
    questions: Sequence[tuple[str, frozenset[int]]]


def measure(is_tiny: bool, data: Path | None) -> list[Bar]:
    """Print evidence recall with and without recalled messages, for our own talks and those of others."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sets = {"our own": list(_chats(OWN))}
    if data is not None:
        sets |= {path.stem: list(_chats(path)) for path in sorted(data.glob("*.chats.jsonl"))}
        if made := _made_of(data / "chats" / "mtbench101.jsonl.gz"):
            sets[PUBLIC] = made
    bars = []
    for name, known in sets.items():
        chats = known[: 1 if is_tiny else None]
        rows, found = [], {}
        for title, settings in SETTINGS.items():
            found[title], tokens = asyncio.run(_share_found(chats, settings))
            rows.append([title, f"{found[title]:.0%}", f"{tokens:.0f}"])
        count = sum(len(chat.questions) for chat in chats)
        header = [f"{count} questions", "evidence shown", "tokens recalled"]
        print_table(f"recall: {name}, windows of {BUDGET_TOKENS} tokens", header, rows)
        if name == "our own":
            default = found["recall, 3 messages (default)"]
            bars.append(Bar(name="evidence recall", measured=default, limit=LEAST_RECALL, is_ceiling=False))
    return bars


async def _share_found(chats: Sequence[Chat], settings: Mapping[str, Any]) -> tuple[float, float]:
    """Share of the evidence that windows show, and how many tokens were recalled for a question, on average."""
    shown, wanted, tokens, questions = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(
            database_url=f"sqlite:///{folder}/talks.db",  # type: ignore[arg-type]
            model="scripted/test",
            window_budget_tokens=BUDGET_TOKENS,
            log_level="ERROR",
        ).model_copy(update=dict(settings))
        async with ConversationEngine(chosen, providers={"scripted": ScriptedModel()}) as engine:
            for chat in chats:
                conversation_id = await _told(engine, chat)
                for question, evidence in chat.questions:
                    window = await engine.turns.preview(conversation_id, owner_id=OWNER, query=question)
                    sent, recalled = window.manifest["sent"], window.manifest["recalled"]
                    numbers = set(range(sent["first"], sent["last"] + 1))
                    numbers |= {one["number"] for one in recalled["messages"]} if recalled else set()
                    shown += len(evidence & numbers)
                    wanted += len(evidence)
                    tokens += recalled["tokens"] if recalled else 0
                    questions += 1
    return shown / wanted, tokens / questions


async def _told(engine: ConversationEngine, chat: Chat) -> ConversationId:
    conversation = await engine.conversations.create(NewConversation(owner_id=OWNER))
    for start in range(0, len(chat.messages), BATCH):
        batch = chat.messages[start : start + BATCH]

        def write(tx: Any, batch: Sequence[tuple[str, str]] = batch) -> None:
            for role, content in batch:
                new = NewMessage(id=MessageId(new_id()), role=MessageRole(role), content=content)
                checked = engine.conversations.checked_message(new)
                engine.conversations.append(tx, conversation.id, checked, owner_id=OWNER)

        await engine.database.write(write)
    words, told = WordService(), await engine.conversations.get(conversation.id, owner_id=OWNER)
    await engine.database.write(lambda tx: words.learn(tx, told, through=told.last_sequence))
    return conversation.id


def _made_of(path: Path) -> list[Chat]:
    """Long talks of short ones, where the file is there."""
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        short = [row["messages"] for row in map(json.loads, lines) if row["task"] == MEMORY]
    talks = [[(one["role"], one["content"]) for one in messages] for messages in short if len(messages) > 1]
    made = []
    for start in range(0, len(talks), TALKS_TOGETHER):
        chat, questions = list[tuple[str, str]](), []
        for said in talks[start : start + TALKS_TOGETHER]:
            last = max(place for place, (role, _) in enumerate(said) if role == "user")
            before = [len(chat) + place for place, (role, _) in enumerate(said[:last], start=1) if role == "user"]
            chat += said[:last]
            questions.append((said[last][1], frozenset(before)))
        made.append(Chat(messages=chat, questions=questions))
    return made


def _chats(path: Path) -> Iterator[Chat]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            places = {message["id"]: place for place, message in enumerate(row["messages"], start=1)}
            yield Chat(
                messages=[(message["role"], message["content"]) for message in row["messages"]],
                questions=[
                    (one["question"], frozenset(places[known] for known in one["evidence"])) for one in row["questions"]
                ],
            )
