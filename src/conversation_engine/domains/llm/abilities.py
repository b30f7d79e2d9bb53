"""What a model is known not to do, before anybody asks it."""

from collections.abc import Iterable
from typing import Final

from conversation_engine.domains.llm.known_models import Capability
from conversation_engine.domains.llm.parts import File, Image, Part, Parts, Text
from conversation_engine.domains.llm.types import ModelCard, Sampling

JSON_OBJECT: Final = "json_object"
FILE_URL: Final = "file_url"


def missing(card: ModelCard, sampling: Sampling, said: Iterable[Parts | None] = ()) -> str | None:
    """The first field that asks for something that the model is known not to do; `None`: nothing does.

    `tools`, `response_format`, `image`, `file` or `file_url`.
    """
    form = sampling.response_format
    if sampling.tools is not None and card.lacks(Capability.TOOLS):
        return "tools"
    if form is not None and JSON_OBJECT in (card.cannot & {form["type"]}):
        return "response_format"
    if form is not None and form["type"] == "json_schema" and card.lacks(Capability.JSON_SCHEMA):
        return "response_format"
    return next((field for parts in said if parts for part in parts.media if (field := _missing(card, part))), None)


def visible(card: ModelCard, parts: Parts) -> Parts:
    """What the model can be shown of what was said to others: the rest as a note."""
    if not any(_missing(card, part) for part in parts.media):
        return parts
    return Parts(tuple(Text(part.text) if _missing(card, part) else part for part in parts.items))


def _missing(card: ModelCard, part: Part) -> str | None:
    match part:
        case Image() if card.lacks(Capability.VISION):
            return "image"
        case File() if card.lacks(Capability.FILES):
            return "file"
        case File(url=url) if FILE_URL in card.cannot and not url.startswith("data:"):
            return "file_url"
    return None
