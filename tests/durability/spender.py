"""A process that asks for many turns at once, under a budget that does not cover them all.

`python -m tests.durability.spender URL REQUESTS LEASE_SECONDS` prints a line when it begins to ask, then
`{"answered": n, "refused": n}`.
"""

import asyncio
import json
import sys
from decimal import Decimal

from pydantic import SecretStr

from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.testing import Pause, Say, ScriptedModel
from conversation_engine.turns.types import NewTurn

ADA = UserId("ada")
USAGE = TokenUsage(input_tokens=10, cached_tokens=0, output_tokens=20)
PRICES = {"scripted/test": PriceSetting(input=Decimal(1), output=Decimal(2))}


def settings(url: str, lease_seconds: float) -> Settings:
    """Those of the test, with a lease that a busy machine outlives, or that a test can wait for."""
    return Settings(
        database_url=SecretStr(url),
        model="scripted/test",
        model_prices=PRICES,
        reply_limit_tokens=40,
        lease_seconds=lease_seconds,
        sweep_seconds=0.2,
        grace_seconds=0.2,
    )


def engine_of(url: str, *, calls: int = 0, lease_seconds: float = 60) -> ConversationEngine:
    """One whose model takes its time, so that promises overlap."""
    scripts = [(Say("well"), Pause(0.05), Say(", yes"))] * calls
    return ConversationEngine(
        settings(url, lease_seconds), providers={"scripted": ScriptedModel(*scripts, usage=USAGE)}
    )


async def ask(engine: ConversationEngine, conversation_id: ConversationId) -> bool:
    """Whether a turn was let in; waits for its end."""
    new = NewTurn(conversation_id=conversation_id, owner_id=ADA, content="hi")
    try:
        await engine.turns.wait(await engine.turns.submit(new))
    except OverBudgetError:
        return False
    return True


async def main(url: str, requests: int, lease_seconds: float) -> None:
    async with engine_of(url, calls=requests, lease_seconds=lease_seconds) as engine:
        new = NewConversation(owner_id=ADA)
        conversations = [(await engine.conversations.create(new)).id for _ in range(requests)]
        print(json.dumps({"asking": requests}), flush=True)
        answers = await asyncio.gather(*(ask(engine, conversation_id) for conversation_id in conversations))
        print(json.dumps({"answered": sum(answers), "refused": requests - sum(answers)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
