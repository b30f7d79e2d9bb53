"""How a session's own arguments travel beside those of the function it wraps."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SESSION_ARGUMENTS = ("engine", "user_id", "conversation_id")
"""What a caller may pass to any wrapped function; the function is shown those that it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a wrapped function."""

    bound: inspect.BoundArguments
    session: Mapping[str, Any]
    """The session's arguments that the caller gave."""
    instance: object | None
    """`self`, where the function is a method."""


class CallBinder:
    """Reads the calls of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = list(self._signature.parameters.values())
        self._open_name = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self._is_method = bool(parameters) and parameters[0].name == "self"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Sort out a call. Raises TypeError where calling the function so would."""
        hidden = {name: kwargs.pop(name) for name in SESSION_ARGUMENTS if name in kwargs and not self._takes(name)}
        bound = self._signature.bind_partial(*args, **kwargs)
        given = {name: self._find(bound, name) for name in SESSION_ARGUMENTS} | hidden
        self.show_conversation(bound, str(given["conversation_id"]))  # so that it counts as given in the next line
        self._signature.bind(*bound.args, **bound.kwargs)
        return Call(bound=bound, session=given, instance=args[0] if self._is_method and args else None)

    def show_conversation(self, bound: inspect.BoundArguments, conversation_id: str) -> None:
        """Pass the conversation's id to the function, if it takes one."""
        if "conversation_id" in self._signature.parameters:
            bound.arguments["conversation_id"] = conversation_id
        elif self._open_name is not None:
            bound.arguments.setdefault(self._open_name, {})["conversation_id"] = conversation_id

    def _takes(self, name: str) -> bool:
        return name in self._signature.parameters or self._open_name is not None

    def _find(self, bound: inspect.BoundArguments, name: str) -> Any:
        parameter = self._signature.parameters.get(name)
        if parameter is not None:
            return bound.arguments.get(name, None if parameter.default is parameter.empty else parameter.default)
        return bound.arguments.get(self._open_name, {}).get(name) if self._open_name else None
