"""Fields of the dialect that this server does nothing about: taken where they ask for nothing, else refused by name."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from conversation_engine.entrypoints.openai.errors import UnsupportedFieldError

TAGS: Final[list[str | Enum]] = ["openai"]
"""Of every route of the dialect, in the document."""
Neutral = Mapping[str, tuple[Any, ...]]
"""Names of fields and what they may say, beside null, without asking for anything."""

ANYTHING: Final = object()
"""The field only labels a request: whatever it says, the answer is the same by the dialect's own rules."""
LABELS: Final[Neutral] = {
    "user": (ANYTHING,),
    "safety_identifier": (ANYTHING,),
    "prompt_cache_key": (ANYTHING,),
    "prompt_cache_retention": (ANYTHING,),
    "service_tier": ("auto", "default"),
}


class DialectBody(BaseModel):
    """A body whose further fields are looked at by `refuse_unsupported`."""

    model_config = ConfigDict(extra="allow")

    def refuse_unsupported(self, neutral: Neutral, *, where: str = "") -> None:
        """Raises UnsupportedFieldError for a further field that asks for something."""
        for name, value in (self.model_extra or {}).items():
            allowed = neutral.get(name)
            if allowed is None:
                raise UnsupportedFieldError(where + name[:100])
            if value is None or ANYTHING in allowed or any(value == one for one in allowed):
                continue
            raise UnsupportedFieldError(where + name)
