"""Where a conversation class keeps its system prompt."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from conversation_engine.dialogue.errors import PromptUnreadableError


def prompt_of(conversation: object) -> str | None:
    """The `system_prompt` or the text of the `system_prompt_file` that is closest: instance, class, its bases.

    Raises PromptUnreadableError when the file cannot be read, or one place names both.
    """
    for owner, names in _places(conversation):
        text, file = names.get("system_prompt"), names.get("system_prompt_file")
        if text is not None and file is not None:
            raise PromptUnreadableError(
                f"{owner.__qualname__} has both system_prompt and system_prompt_file. Keep one of them."
            )
        if file is not None:
            return read_prompt(_directory_of(owner) / str(file))
        if text is not None:
            return str(text)
    return None


def read_prompt(path: Path) -> str:
    """The text of a prompt file, without blank ends. UTF-8. Raises PromptUnreadableError."""
    try:
        return path.read_text(encoding="utf-8-sig").strip()  # -sig: an editor's byte order mark is no part of a prompt
    except FileNotFoundError as error:
        raise PromptUnreadableError(
            f"There is no prompt file {path}. A relative path starts at the folder of the module with its class.",
            path=str(path),
        ) from error
    except UnicodeDecodeError as error:
        raise PromptUnreadableError(
            f"The prompt file {path} is not UTF-8. Save it as UTF-8.", path=str(path)
        ) from error
    except OSError as error:
        raise PromptUnreadableError(
            f"The prompt file {path} cannot be read. Check its rights.", path=str(path)
        ) from error


def _places(conversation: object) -> Iterator[tuple[type, Mapping[str, object]]]:
    yield type(conversation), getattr(conversation, "__dict__", {})
    for owner in type(conversation).__mro__:
        yield owner, vars(owner)


def _directory_of(owner: type) -> Path:
    module_file = getattr(sys.modules.get(owner.__module__), "__file__", None)
    return Path(module_file).parent if module_file else Path.cwd()
