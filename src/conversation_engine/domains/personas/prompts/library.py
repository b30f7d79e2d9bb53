"""Where templates are kept: files of this package, and a folder of the deployment that may replace them."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from conversation_engine.domains.personas.errors import TemplateNotFoundError, TemplateUnreadableError
from conversation_engine.domains.personas.prompts.template import PromptTemplate, parse_template

PACKAGED: Final = Path(__file__).parent / "packaged"
SUFFIX: Final = ".md"


class PromptLibrary:
    """Every version of every template."""

    def __init__(self, override_dir: Path | None = None) -> None:
        """Reads the packaged files, then those of `override_dir`: one with the same name and version stands in.

        Raises TemplateUnreadableError.
        """
        self._versions: dict[str, dict[int, PromptTemplate]] = {}
        for template in (*_packaged(), *(_read(override_dir) if override_dir else ())):
            self._versions.setdefault(template.name, {})[template.version] = template

    def newest(self) -> Sequence[PromptTemplate]:
        """The newest version of each, by name."""
        return [self._versions[name][max(self._versions[name])] for name in sorted(self._versions)]

    def get(self, name: str, version: int | None = None) -> PromptTemplate:
        """One template (`None`: its newest version). Raises TemplateNotFoundError."""
        versions = self._versions.get(name, {})
        found = versions.get(version or max(versions, default=0))
        if found is None:
            raise TemplateNotFoundError(name, version)
        return found

    def versions(self, name: str) -> Sequence[int]:
        """The versions that there are, oldest first."""
        return sorted(self._versions.get(name, {}))


@cache
def _packaged() -> tuple[PromptTemplate, ...]:
    return tuple(_read(PACKAGED))


def _read(folder: Path) -> Iterator[PromptTemplate]:
    if not folder.is_dir():
        raise TemplateUnreadableError(str(folder), "there is no such folder")
    seen: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            source = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateUnreadableError(str(path), "it is not a readable UTF-8 file") from error
        template = parse_template(source, place=str(path))
        key = (template.name, template.version)
        if key in seen:
            raise TemplateUnreadableError(str(path), f"{seen[key].name} has the same name and version")
        seen[key] = path
        yield template
