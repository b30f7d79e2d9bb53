"""When conversations are added up."""

from pydantic import BaseModel, Field


class StatisticsSettings(BaseModel):
    """Statistics are exact whenever they are asked for; this says how much is added up before."""

    statistics_seconds: float = Field(
        60.0,
        ge=0,
        description="How often changed conversations are added up for statistics; 0: by `convo stats rebuild` alone. "
        "What is not added up yet is counted when somebody asks.",
    )
