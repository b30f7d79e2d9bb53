"""What tests of reports have in common: model calls on record, without anybody having called a model."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from conversation_engine.domains.conversations.types import Conversation, NewConversation
from conversation_engine.domains.llm.repo import LlmRequestRepo
from conversation_engine.domains.llm.types import Attempt, AttemptStatus, TokenUsage, UsageSource
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.insights.cost.types import CostGroup, CostReport
from conversation_engine.kernel.ids import LlmRequestId, TurnId, UserId
from conversation_engine.kernel.people import Principal, Role

ADA, BOB = UserId("ada"), UserId("bob")
ADMIN = Principal(user_id=UserId("root"), role=Role.ADMIN)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


async def talk(engine: ConversationEngine, owner: UserId = ADA, **fields: Any) -> Conversation:
    """A conversation of somebody's."""
    return await engine.conversations.create(NewConversation(owner_id=owner, **fields))


async def call(
    engine: ConversationEngine,
    conversation: Conversation,
    cost: str | None,
    *,
    at: datetime = NOON,
    model: str = "m",
    tokens: tuple[int, int] | None = (10, 2),
    source: UsageSource = UsageSource.PROVIDER,
    took_ms: int = 1,
    error: tuple[str, str] | None = None,
) -> None:
    """A model call, as it stands on record."""
    usage = None
    if tokens is not None:
        usage = TokenUsage(input_tokens=tokens[0], cached_tokens=0, output_tokens=tokens[1], source=source)
    attempt = Attempt(
        id=LlmRequestId(new_id()),
        conversation_id=conversation.id,
        owner_id=conversation.owner_id,
        turn_id=TurnId(new_id()),
        attempt=1,
        provider="p",
        model=model,
        parameters={},
        status=AttemptStatus.FAILED if error else AttemptStatus.COMPLETED,
        latency_ms=took_ms,
        first_token_ms=None if error else took_ms,
        usage=usage,
        cost=None if cost is None else Decimal(cost),
        finish_reason=None if error else "stop",
        error_code=error[0] if error else None,
        error_cause=error[1] if error else None,
        created_at=at,
    )
    await engine.database.write(lambda tx: LlmRequestRepo().insert(tx, attempt))


async def report(engine: ConversationEngine, by: CostGroup = CostGroup.DAY, **asked: Any) -> CostReport:
    """Everybody's spending in 2026, or what was asked."""
    question = engine.costs.question(by, **{"user_id": None, "start": START, "end": END} | asked)
    return await engine.costs.report(question, asked_by=ADMIN)


def told(found: CostReport) -> list[tuple[str | None, str]]:
    """The keys of a report and their dollars."""
    return [(row.key, f"{row.spending.cost:f}") for row in found.rows]
