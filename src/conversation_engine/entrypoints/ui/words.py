"""Numbers and times as people read them."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from conversation_engine.entrypoints.ui.api import Json

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
CODE: Final = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+.!|~$:^=-]")
DOLLAR: Final = re.compile(r"(?<![\\$])\$(?!\$)")


def money(value: Any) -> str:
    """US dollars: exact where they are few, to the cent where they are many."""
    if value is None:
        return "unknown"
    amount = Decimal(str(value))
    if amount == 0:
        return "$0.00"
    if amount < Decimal("0.0001"):
        return "under $0.0001"
    return f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 message`, `1,200 messages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """How large a file is."""
    if number < 1000:
        return count(number, "byte")
    return f"{number / 1000:,.0f} kB" if number < 1_000_000 else f"{number / 1_000_000:,.1f} MB"


def instant(text: str | None) -> datetime | None:
    """A time of the API."""
    return None if text is None else datetime.fromisoformat(text)


def ago(text: str | None, *, now: datetime | None = None) -> str:
    """How long it is since then."""
    then = instant(text)
    if then is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{count(int(seconds // MINUTE), 'minute')} ago"
    if seconds < DAY:
        return f"{count(int(seconds // HOUR), 'hour')} ago"
    if seconds < 7 * DAY:
        return f"{count(int(seconds // DAY), 'day')} ago"
    return f"{then:%-d %B %Y}"


def lasting(begin: str | None, end: str | None) -> str:
    """How long something took, from one time of the API to another."""
    first, last = instant(begin), instant(end)
    if first is None or last is None:
        return "–"
    seconds = max(0, (last - first).total_seconds())
    if seconds < MINUTE:
        return count(round(seconds), "second")
    if seconds < HOUR:
        return count(round(seconds / MINUTE), "minute")
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def text_of(content: Any) -> str:
    """What a message says, of whatever parts it is made."""
    if isinstance(content, str):
        return content
    parts = content.get("parts") if isinstance(content, dict) else content
    told = [_part(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "\n\n".join(told)


def _part(part: Json) -> str:
    """A note where it is no text."""
    match part.get("type"):
        case "image":
            return "*📎 An image*"
        case "file":
            return f"*📎 {part.get('name', 'A file')}*"
        case "tool_call":
            return f"*Calls `{part.get('name', '')}`:* `{part.get('arguments', '')}`"
        case "tool_result":
            return f"*Result:* `{part.get('output', '')}`"
    return str(part.get("text", ""))


def as_markdown(text: str, *, is_typed: bool = False) -> str:
    """What was said, for Streamlit's Markdown: dollars are dollars, not formulas, outside of code and of `$$`. What a
    person typed keeps its line ends.
    """
    parts = CODE.split(text)
    for index in range(0, len(parts), 2):
        plain = DOLLAR.sub(r"\\$", parts[index])
        parts[index] = plain.replace("\n", "  \n") if is_typed else plain
    return "".join(parts)


def marked(text: str, places: list[Json]) -> str:
    """A text as it is, in Markdown, with some places of it in bold."""
    pieces, at = [], 0
    for place in places:
        pieces += [_plain(text[at : place["start"]]), f"**{_plain(text[place['start'] : place['end']])}**"]
        at = place["end"]
    return "".join([*pieces, _plain(text[at:])])


def first_words(text: str, limit: int = 140) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def title_of(conversation: Json, names: dict[str, str] | None = None) -> str:
    """What to call a conversation in a list."""
    if conversation["title"]:
        return str(conversation["title"])
    if conversation["persona_id"]:
        return (names or {}).get(conversation["persona_id"], "A client")
    return "Free conversation"


def _plain(text: str) -> str:
    """Nothing in it is Markdown, and it is one line."""
    return MARKDOWN.sub(r"\\\g<0>", re.sub(r"\s", " ", text))
