"""Cost reports on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from conversation_engine.insights.cost.types import CostGroup, CostReport, Spending


class SpendingOut(BaseModel):
    """What some model calls used and cost."""

    calls: int
    input_tokens: int = Field(description="Cached tokens and cache writes included.")
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int = Field(description="Reasoning included.")
    reasoning_tokens: int
    cost: Decimal = Field(description="US dollars, the exact sum of every call whose cost is known.")
    estimated_calls: int = Field(description="Calls whose tokens were counted here: the provider did not report them.")
    unpriced_calls: int = Field(description="Calls whose price nobody knows; they are not in `cost`.")
    uncounted_calls: int = Field(
        description="Calls of which nobody knows what they used: refused, or broken before the first word; not in "
        "`cost`."
    )

    @staticmethod
    def of(spending: Spending) -> "SpendingOut":
        """The wire shape of spending."""
        return SpendingOut(**_fields(spending))


class CostRowOut(SpendingOut):
    """One group."""

    key: str | None = Field(
        description="The user, model, conversation, type or day (UTC); null: the type of deleted conversations."
    )


class ConversationCostsOut(BaseModel):
    """What conversations cost in the period, beside the target."""

    count: int = Field(description="Conversations in which a model was called.")
    average: Decimal | None = Field(description="US dollars a conversation.")
    highest: Decimal = Field(description="US dollars of the dearest.")
    target: Decimal = Field(
        description="US dollars that one should cost at most: `CE_CONVERSATION_COST_TARGET_DOLLARS`."
    )
    over_target: int = Field(description="How many cost more.")


class CostReportOut(BaseModel):
    """What was spent in a period."""

    by: CostGroup
    user_id: str | None = Field(description="Whose spending; null: everybody's.")
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to", description="Not included.")
    total: SpendingOut = Field(description="`rows` and `rest` together, to the last digit.")
    rows: list[CostRowOut] = Field(description="Days: the newest, in order; anything else: the dearest first.")
    rest: SpendingOut = Field(description="The groups that `limit` left no room for.")
    conversations: ConversationCostsOut

    @staticmethod
    def of(report: CostReport) -> "CostReportOut":
        """The wire shape of a report."""
        question, costs = report.question, report.conversations
        return CostReportOut(
            by=question.by,
            user_id=question.user_id,
            start=question.start,
            end=question.end,
            total=SpendingOut.of(report.total),
            rows=[CostRowOut(key=row.key, **_fields(row.spending)) for row in report.rows],
            rest=SpendingOut.of(report.rest),
            conversations=ConversationCostsOut(
                count=costs.count,
                average=report.average,
                highest=costs.highest,
                target=report.target,
                over_target=costs.over_target,
            ),
        )


def _fields(spending: Spending) -> dict[str, Any]:
    return {name: getattr(spending, name) for name in SpendingOut.model_fields}
