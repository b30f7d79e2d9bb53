"""Function tools, calls and results, as Chat Completions and Responses write them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from conversation_engine.domains.llm.parts import ToolCall, ToolResult
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.texts import MESSAGE_LIMIT_CHARACTERS, TEXT_PARTS, text_of_parts
from conversation_engine.kernel.text import checked_text

MOST_TOOLS: Final = 128
NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CHOICES: Final = ("auto", "none", "required")
ID_LIMIT_CHARACTERS: Final = 255
_OF_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})


def toolbox_of(
    tools: Sequence[Mapping[str, Any]] | None,
    choice: str | Mapping[str, Any] | None,
    parallel: bool | None,
    *,
    is_nested: bool,
) -> Toolbox | None:
    """What the model may call; `None` where nothing is offered. `is_nested`: as Chat Completions write functions.

    Raises UnsupportedFieldError or BadFieldError.
    """
    if not tools:
        if choice not in (None, "auto", "none"):
            raise BadFieldError("tool_choice", "`tool_choice` asks for a tool, and `tools` offers none.")
        return None
    if len(tools) > MOST_TOOLS:
        raise BadFieldError("tools", f"There are {len(tools)} tools; at most {MOST_TOOLS} are taken.")
    functions = tuple(_function(tool, f"tools[{place}]", is_nested) for place, tool in enumerate(tools))
    names = {one.name for one in functions}
    if len(names) < len(functions):
        raise BadFieldError("tools", "Two tools have the same name. Name each otherwise.")
    if choice is None or isinstance(choice, str):
        if choice not in (None, *CHOICES):
            raise BadFieldError(
                "tool_choice", f"`tool_choice` must be one of {', '.join(CHOICES)}, or name a function."
            )
        return Toolbox(functions=functions, choice=choice, parallel=parallel)
    _check_kind(choice, "tool_choice")
    only = (choice.get("function") or {}).get("name") if is_nested else choice.get("name")
    if only not in names:
        raise BadFieldError("tool_choice", "`tool_choice` names a function that is not among `tools`.")
    return Toolbox(functions=functions, only=only, parallel=parallel)


def told_of(tools: Toolbox | None) -> dict[str, Any]:
    """What a response says of its tools."""
    if tools is None:
        return {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    blank = {"type": "function", "description": None, "parameters": None, "strict": None}
    only = None if tools.only is None else {"type": "function", "name": tools.only}
    return {
        "parallel_tool_calls": tools.parallel is not False,
        "tool_choice": only or tools.choice or "auto",
        "tools": [blank | one.as_json() for one in tools.functions],
    }


def call_of(given: Mapping[str, Any], *, place: str) -> ToolCall:
    """A call as Chat Completions write it. Raises UnsupportedFieldError or BadFieldError."""
    _check_kind(given, place)
    told = given.get("function")
    if not isinstance(told, dict):
        raise BadFieldError(f"{place}.function", f"`{place}.function` must have a `name` and `arguments`.")
    return _call(given.get("id"), told, place=place, id_name="id")


def call_item(item: Mapping[str, Any], *, place: str) -> ToolCall:
    """A `function_call` item. Raises BadFieldError."""
    return _call(item.get("call_id"), item, place=place, id_name="call_id")


def result_of(call_id: Any, output: Any, *, place: str, names: tuple[str, str]) -> ToolResult:
    """What came of a call; `names` are those of the two fields. Raises UnsupportedFieldError or BadFieldError."""
    id_name, output_name = names
    if not isinstance(output, str | list):
        raise BadFieldError(f"{place}.{output_name}", f"`{place}.{output_name}` must be text or a list of parts.")
    text = text_of_parts(output, place=f"{place}.{output_name}", kinds=TEXT_PARTS)
    return ToolResult(call_id=_text(call_id, f"{place}.{id_name}", limit=ID_LIMIT_CHARACTERS), output=text)


def as_chat_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Calls as Chat Completions write them."""
    return [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}} for one in calls
    ]


def _call(call_id: Any, told: Mapping[str, Any], *, place: str, id_name: str) -> ToolCall:
    return ToolCall(
        id=_text(call_id, f"{place}.{id_name}", limit=ID_LIMIT_CHARACTERS),
        name=_text(told.get("name"), f"{place}.name", limit=ID_LIMIT_CHARACTERS),
        arguments=_text(told.get("arguments"), f"{place}.arguments", limit=MESSAGE_LIMIT_CHARACTERS, blank=True),
    )


def _function(tool: Mapping[str, Any], place: str, is_nested: bool) -> FunctionTool:
    _check_kind(tool, place)
    told = tool.get("function") if is_nested else {name: value for name, value in tool.items() if name != "type"}
    where = f"{place}.function" if is_nested else place
    if not isinstance(told, dict):
        raise BadFieldError(where, f"`{where}` must say what the function is.")
    for name in told:
        if name not in _OF_FUNCTION and told[name] is not None:
            raise UnsupportedFieldError(f"{where}.{name[:100]}")
    name, description, parameters = told.get("name"), told.get("description"), told.get("parameters")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadFieldError(f"{where}.name", f"`{where}.name` must be up to 64 letters, digits, `_` or `-`.")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadFieldError(f"{where}.parameters", f"`{where}.parameters` must be a JSON schema.")
    if not isinstance(description, str | None) or not isinstance(told.get("strict"), bool | None):
        raise BadFieldError(where, f"`{where}.description` must be text, and `strict` true or false.")
    return FunctionTool(name=name, description=description, parameters=parameters, strict=told.get("strict"))


def _check_kind(given: Mapping[str, Any], place: str) -> None:
    kind = given.get("type")
    if kind != "function":
        raise UnsupportedFieldError(f"{place}.type", f"tools of the kind {str(kind)[:50]!r}")


def _text(value: Any, place: str, *, limit: int, blank: bool = False) -> str:
    if not isinstance(value, str):
        raise BadFieldError(place, f"`{place}` must be text.")
    return checked_text(value, name=place, limit_characters=limit, blank_allowed=blank)
