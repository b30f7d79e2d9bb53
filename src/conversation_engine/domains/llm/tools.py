"""Tools that a model may call; they run where the turn was asked for, not here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A function as the model is told of it."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    """A JSON schema; `None`: it takes nothing."""
    strict: bool | None = None
    """Whether arguments must fit the schema; `None`: as the service has it."""

    def as_json(self) -> dict[str, Any]:
        """Only what was said of it."""
        said = {"description": self.description, "parameters": self.parameters, "strict": self.strict}
        return {"name": self.name} | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What a model may call in a turn, and whether it must."""

    functions: Sequence[FunctionTool]
    """Never empty."""
    choice: str | None = None
    """`auto`, `none` or `required`; `None`: the service's own default, which is `auto`."""
    only: str | None = None
    """The one function that must be called, in the place of a choice."""
    parallel: bool | None = None
    """Whether one reply may call several; `None`: as the service has it."""

    def as_json(self) -> dict[str, Any]:
        """Only what was chosen."""
        chosen = {"choice": self.choice, "only": self.only, "parallel": self.parallel}
        said = {name: value for name, value in chosen.items() if value is not None}
        return {"functions": [one.as_json() for one in self.functions]} | said

    @staticmethod
    def from_json(chosen: Mapping[str, Any]) -> "Toolbox":
        """What `as_json` gave."""
        return Toolbox(**{**chosen, "functions": tuple(FunctionTool(**one) for one in chosen["functions"])})
