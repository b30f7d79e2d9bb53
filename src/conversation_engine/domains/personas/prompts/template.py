"""One prompt template: its variables and how it is rendered.

```
+++
name = "tutor"
version = 1
description = "Explains one subject."
[variables.subject]
type = "line"
description = "What is taught."
[variables.notes]
type = "text"
required = false
description = "What the course says."
+++
You teach {{subject}}.
{{#notes}}
What the course says:
{{notes}}
{{/notes}}
```

`{{name}}` is the value, quoted by its type; a section `{{#name}} … {{/name}}` is left out where there is none.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from conversation_engine.domains.personas.errors import TemplateUnreadableError, TemplateVariableError
from conversation_engine.domains.personas.prompts.quoting import block, inline
from conversation_engine.kernel.text import checked_text

VariableType = Literal["line", "text", "list", "integer", "choice"]
Value = str | int | Sequence[str]

LINE_LIMIT_CHARACTERS: Final = 500
TEXT_LIMIT_CHARACTERS: Final = 20_000
LIST_LIMIT_ITEMS: Final = 50
INTEGER_LIMIT: Final = 10**12
_FENCE: Final = "+++"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_MARK: Final = re.compile(r"^\{\{([#/])([a-z][a-z0-9_]*)\}\}\n|\{\{([#/]?)([a-z][a-z0-9_]*)\}\}", re.MULTILINE)
"""A section's mark that has a line to itself takes that line with it."""
_BLANK_LINES: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What a template wants to know."""

    name: str
    type: VariableType
    description: str
    is_required: bool = True
    choices: Mapping[str, str]
    """For `choice`: what each of them says in the prompt; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A stretch of the body: its own words, or the value of `variable`; inside the sections of `within`."""

    text: str
    variable: str | None
    within: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A version of a named template."""

    name: str
    version: int
    description: str
    conversation_type: str
    """The type of the conversations that are begun with it."""
    variables: Mapping[str, Variable]
    pieces: tuple[_Piece, ...]

    def render(self, values: Mapping[str, Value | None]) -> str:
        """The prompt: the same for the same values, always.

        Raises TemplateVariableError for a value that is missing, unknown or of another type.
        """
        for name in values:
            if name not in self.variables:
                raise TemplateVariableError(name, "is none of this template's")
        quoted = {name: _quoted(variable, values.get(name)) for name, variable in self.variables.items()}
        shown = (
            piece.text if piece.variable is None else quoted[piece.variable]
            for piece in self.pieces
            if all(quoted[section] for section in piece.within)
        )
        return _BLANK_LINES.sub("\n\n", "".join(shown)).strip()


def parse_template(source: str, *, place: str) -> PromptTemplate:
    """The template that a file says. Raises TemplateUnreadableError, naming `place`."""
    lines = source.replace("\r\n", "\n").lstrip("\ufeff")
    parts = lines.split(f"{_FENCE}\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise TemplateUnreadableError(place, f"it must begin with a head between two lines of {_FENCE}")
    try:
        head = tomllib.loads(parts[1])
    except tomllib.TOMLDecodeError as error:
        raise TemplateUnreadableError(place, f"its head is not TOML ({error})") from error
    variables = {name: _variable(name, about, place) for name, about in dict(head.get("variables", {})).items()}
    return PromptTemplate(
        name=_name(head.get("name"), place),
        version=_version(head.get("version"), place),
        description=str(head.get("description", "")),
        conversation_type=str(head.get("conversation_type", "general")),
        variables=variables,
        pieces=_pieces(parts[2], variables, place),
    )


def _name(value: object, place: str) -> str:
    if not (isinstance(value, str) and _NAME.fullmatch(value)):
        raise TemplateUnreadableError(place, "its `name` must be small letters, digits, - and _")
    return value


def _version(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TemplateUnreadableError(place, "its `version` must be 1, 2, 3 …")
    return value


def _variable(name: str, about: object, place: str) -> Variable:
    if not isinstance(about, dict) or about.get("type") not in get_args(VariableType):
        raise TemplateUnreadableError(place, f"variable `{name}` needs a type: {', '.join(get_args(VariableType))}")
    choices = about.get("choices", {})
    if (about["type"] == "choice") != bool(choices):
        raise TemplateUnreadableError(place, f"variable `{name}` must have choices exactly if it is a choice")
    return Variable(
        name=name,
        type=cast(VariableType, about["type"]),
        description=str(about.get("description", "")),
        is_required=bool(about.get("required", True)),
        choices={str(choice): str(text).strip() for choice, text in dict(choices).items()},
    )


def _pieces(body: str, variables: Mapping[str, Variable], place: str) -> tuple[_Piece, ...]:
    pieces: list[_Piece] = []
    open_sections: tuple[str, ...] = ()
    at = 0
    for mark in _MARK.finditer(body):
        kind, name = mark[1] or mark[3], mark[2] or mark[4]
        if name not in variables:
            raise TemplateUnreadableError(place, f"it uses `{name}` and does not declare it")
        pieces.append(_Piece(text=body[at : mark.start()], variable=None, within=open_sections))
        at = mark.end()
        if kind == "#":
            open_sections = (*open_sections, name)
        elif kind == "/":
            if not open_sections or open_sections[-1] != name:
                raise TemplateUnreadableError(place, f"`{{{{/{name}}}}}` closes what is not open")
            open_sections = open_sections[:-1]
        else:
            pieces.append(_Piece(text="", variable=name, within=open_sections))
    if open_sections:
        raise TemplateUnreadableError(place, f"`{{{{#{open_sections[-1]}}}}}` is never closed")
    used = {piece.variable for piece in pieces} | {name for piece in pieces for name in piece.within}
    if unused := sorted(variables.keys() - used):
        raise TemplateUnreadableError(place, f"it declares `{unused[0]}` and does not use it")
    pieces.append(_Piece(text=body[at:], variable=None, within=()))
    if any("{{" in piece.text or "}}" in piece.text for piece in pieces):
        raise TemplateUnreadableError(place, "it has braces that mark nothing; write {{name}}, {{#name}} or {{/name}}")
    return tuple(pieces)


def _quoted(variable: Variable, value: Value | None) -> str:
    """The value as it stands in the prompt; empty where there is none."""
    if value is None or value == "" or (not isinstance(value, str | int) and not len(value)):
        if variable.is_required:
            raise TemplateVariableError(variable.name, "is missing")
        return ""
    match variable.type:
        case "line":
            return inline(_text(variable, value, LINE_LIMIT_CHARACTERS))
        case "text":
            return block(_text(variable, value, TEXT_LIMIT_CHARACTERS))
        case "list":
            return "\n".join(block(item) for item in _items(variable, value))
        case "integer":
            return str(_integer(variable, value))
        case "choice":
            return _choice(variable, value)


def _text(variable: Variable, value: Value, limit_characters: int) -> str:
    if not isinstance(value, str):
        raise TemplateVariableError(variable.name, "is a text")
    return checked_text(value, name=variable.name, limit_characters=limit_characters)


def _items(variable: Variable, value: Value) -> Sequence[str]:
    if isinstance(value, str | int) or not all(isinstance(item, str) for item in value):
        raise TemplateVariableError(variable.name, "is a list of texts")
    if len(value) > LIST_LIMIT_ITEMS:
        raise TemplateVariableError(variable.name, f"has {len(value)} entries; at most {LIST_LIMIT_ITEMS} are taken")
    return [_text(variable, item, LINE_LIMIT_CHARACTERS * 4) for item in value]


def _integer(variable: Variable, value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_LIMIT:
        raise TemplateVariableError(variable.name, "is a whole number")
    return value


def _choice(variable: Variable, value: Value) -> str:
    if not isinstance(value, str) or value not in variable.choices:
        raise TemplateVariableError(variable.name, f"is one of {', '.join(variable.choices)}")
    return variable.choices[value]
