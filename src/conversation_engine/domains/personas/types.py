"""The words of personas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from conversation_engine.domains.llm.types import Sampling
from conversation_engine.kernel.ids import PersonaId, UserId
from conversation_engine.kernel.windows import NO_OPTIONS, WindowOptions

EVERYONE: Final = UserId("*")
"""Shared with this one: open to everybody who signs in. No user id of ours and none that a token may carry."""


class Difficulty(StrEnum):
    """How hard it is to get through to a client."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class PersonaStatus(StrEnum):
    """Whether new sessions can be begun."""

    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProfile:
    """Who a client is. Everything but the name and the difficulty may be left empty."""

    name: str
    age: int | None = None
    background: str = ""
    context: str = ""
    """Why they are here, and where: the one part, beside name and age, that students are told beforehand."""
    personality_traits: tuple[str, ...] = ()
    communication_style: str = ""
    behaviour_patterns: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    difficulty: Difficulty = Difficulty.MEDIUM
    boundaries: tuple[str, ...] = ()
    language: str = ""
    """The language they speak, in words: `English`, `Swiss German`."""
    opening_line: str = ""
    """What they say first; empty: they wait to be spoken to."""
    model: str | None = None
    """The model that plays them; `None`: the engine's default."""
    sampling: Sampling = field(default_factory=Sampling)
    window: WindowOptions = NO_OPTIONS
    """What the model is shown of a long session; what is not chosen is as the server says."""
    collection_ids: tuple[str, ...] = ()
    """Collections of documents that they know, in order of their ids; kept beside the profile, by who lends them."""

    def as_json(self) -> dict[str, Any]:
        """The profile as it is stored, without its collections."""
        return {
            "name": self.name,
            "age": self.age,
            "background": self.background,
            "context": self.context,
            "personality_traits": list(self.personality_traits),
            "communication_style": self.communication_style,
            "behaviour_patterns": list(self.behaviour_patterns),
            "goals": list(self.goals),
            "difficulty": self.difficulty.value,
            "boundaries": list(self.boundaries),
            "language": self.language,
            "opening_line": self.opening_line,
            "model": self.model,
            "sampling": self.sampling.as_json(),
            "window": self.window.as_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ClientProfile":
        """What `as_json` gave."""
        lists = ("personality_traits", "behaviour_patterns", "goals", "boundaries")
        return cls(
            **{
                **stored,
                **{name: tuple(stored[name]) for name in lists},
                "difficulty": Difficulty(stored["difficulty"]),
                "sampling": Sampling.from_json(stored["sampling"]),
                "window": WindowOptions.from_json(stored.get("window")),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A client in one of its versions."""

    id: PersonaId
    owner_id: UserId
    version: int
    """The version that `profile` is of."""
    newest_version: int
    status: PersonaStatus
    profile: ClientProfile
    created_at: datetime
    updated_at: datetime
    """When the newest version was saved, or the status changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaVersion:
    """One state of a profile. Never changed once it is written."""

    version: int
    profile: ClientProfile
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaFilter:
    """Which personas to list."""

    owner_id: UserId | None = None
    """Only this one's; `None`: everybody's that the caller may see."""
    status: PersonaStatus | None = PersonaStatus.ACTIVE
