"""Processes that are to die at a crash point: they write down what their user was told, at once.

`python -m tests.durability.doomed` reads orders, one JSON object a line: the file to write to, the crash point, and the
arguments of `main`. For each it forks, waits for the child to die and prints its status. The task `ask` holds a
conversation of two turns, the second in line behind the first (`ask a breaking model` of one whose first reply
breaks in the middle); `sweep` only recovers what others left.
"""

import asyncio
import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from pydantic import SecretStr

from conversation_engine.domains.conversations.types import BusyPolicy, NewConversation
from conversation_engine.domains.llm.errors import StreamCutError
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra import crash_points
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.once import Once
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.testing.scripted import Script
from conversation_engine.turns.types import NewTurn, ReplyDelta, Turn, TurnEnded, TurnRestarted

ADA = UserId("ada")
LEASE_SECONDS = 1.0
SWEEP_SECONDS = 0.1
QUESTIONS = ("first question", "second question")
WORDS = 8


BASE = Settings(
    model="scripted/test",
    embedding_model="none",
    budgets="global total 1000000 tokens",
    lease_seconds=LEASE_SECONDS,
    sweep_seconds=SWEEP_SECONDS,
    on_broken_reply="retry",
)


def settings(url: str, mode: str) -> Settings:
    """Leases so short that a test can wait for their end; a budget that bounds nobody, but keeps books."""
    return BASE.model_copy(update={"database_url": SecretStr(url), "recovery": mode})


def request(conversation_id: ConversationId, question: str) -> NewTurn:
    """What Ada sends, and sends again when no answer comes."""
    return NewTurn(
        conversation_id=conversation_id,
        owner_id=ADA,
        content=question,
        on_busy=BusyPolicy.QUEUE,
        once=Once.of(question, conversation_id),
    )


def tell(kind: str, **facts: Any) -> None:
    print(json.dumps({"kind": kind} | facts), flush=True)


class PatientModel(ScriptedModel):
    """Says nothing before both questions are in: or where a process dies would depend on how fast it asks."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__(*scripts)
        self.is_asked = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        await self.is_asked.wait()
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                yield event


def model(name: str) -> PatientModel:
    """No two of its replies are the same, whichever process it is in."""
    scripts: list[list[Say | Pause | Fail]] = [
        [line for n in range(WORDS) for line in (Say(f"{name}/{call}/{n} "), Pause(0.01))] for call in range(9)
    ]
    if "breaking" in name:
        scripts[0][WORDS:] = [Fail(StreamCutError("in the middle"))]
    return PatientModel(*scripts)


async def ask(engine: ConversationEngine, model: PatientModel) -> None:
    conversation = await engine.conversations.create(NewConversation(owner_id=ADA))
    tell("begun", conversation=conversation.id)
    async with asyncio.TaskGroup() as group:
        for question in QUESTIONS:
            turn = await engine.turns.submit(request(conversation.id, question))
            tell("acknowledged", question=question, turn=turn.id)
            group.create_task(watch(engine, turn, question))
        model.is_asked.set()


async def watch(engine: ConversationEngine, turn: Turn, question: str) -> None:
    async for event in engine.turns.follow(turn):
        match event:
            case ReplyDelta(text=text):
                tell("shown", question=question, text=text)
            case TurnRestarted():
                tell("restarted", question=question)
            case TurnEnded(detail=detail):
                content = detail.reply.content if detail.reply else ""
                error = asdict(detail.turn.error) if detail.turn.error else None
                tell("ended", question=question, state=detail.turn.state.value, text=content, error=error)


async def main(task: str, url: str, mode: str, name: str) -> None:
    own = model(name)
    async with ConversationEngine(settings(url, mode), providers={"scripted": own}) as engine:
        if task.startswith("ask"):
            await ask(engine, own)
        else:
            own.is_asked.set()
            await asyncio.sleep(30)


def die(*, told: str, at: str, arguments: list[str]) -> NoReturn:
    """Do it, in a process that was just forked, and leave with 1 when nothing killed us."""
    try:
        sys.stdout = Path(told).open("w")  # noqa: SIM115 - it is never closed: that is the point
        os.environ[crash_points.CRASH_VARIABLE] = at
        importlib.reload(crash_points)  # it reads the environment when it is loaded
        asyncio.run(asyncio.wait_for(main(*arguments), 20))
    finally:
        os._exit(1)


async def practise() -> None:
    """Hold the conversation once: what is imported and compiled for it need not be once more in every child."""
    with tempfile.TemporaryDirectory() as folder:
        await main("ask", f"sqlite:///{folder}/practice.db", "interrupt", "practice")


def serve() -> None:
    """Until there are no more orders."""
    with contextlib.redirect_stdout(None):
        asyncio.run(practise())
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            die(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
