"""Knobs of personas and prompt templates."""

from pathlib import Path

from pydantic import BaseModel, Field


class PersonaSettings(BaseModel):
    """Where templates come from."""

    prompts_dir: Path | None = Field(
        None,
        description="Folder of prompt templates (`*.md`) that replace packaged ones of the same name and version, or "
        "add others. Read at start.",
    )
