"""What a conversation may cost."""

from decimal import Decimal

from pydantic import BaseModel, Field


class CostSettings(BaseModel):
    """Targets that reports compare with; nothing is refused because of them."""

    conversation_cost_target_dollars: Decimal = Field(
        Decimal("0.01"),
        ge=0,
        max_digits=18,
        decimal_places=12,
        description="What a conversation should cost at most, in US dollars: cost reports count those above it.",
    )
