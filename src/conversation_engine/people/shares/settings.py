"""How far sharing goes."""

from pydantic import BaseModel, Field


class ShareSettings(BaseModel):
    """Links to conversations."""

    share_most_days: int = Field(
        365, ge=0, le=3650, description="How long a link to a conversation may lead there; 0: nobody may share."
    )
