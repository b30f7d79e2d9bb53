"""What may be kept of a profile."""

import math
from dataclasses import replace
from typing import Final

from conversation_engine.domains.llm.types import Sampling
from conversation_engine.domains.personas.types import ClientProfile
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import parse_id
from conversation_engine.kernel.text import checked_text

NAME_LIMIT_CHARACTERS: Final = 100
LANGUAGE_LIMIT_CHARACTERS: Final = 50
TEXT_LIMIT_CHARACTERS: Final = 8_000
ITEM_LIMIT_CHARACTERS: Final = 500
LIST_LIMIT_ITEMS: Final = 20
MOST_YEARS: Final = 130
MODEL_LIMIT_CHARACTERS: Final = 255


def checked_profile(profile: ClientProfile) -> ClientProfile:
    """`profile` without blank ends and blank entries. Raises InvalidTextError or InvalidInputError."""
    if profile.age is not None and not 0 <= profile.age <= MOST_YEARS:
        raise InvalidInputError(f"The age is {profile.age}; it must be between 0 and {MOST_YEARS}.", field="age")
    if profile.model is not None:
        checked_text(profile.model, name="model", limit_characters=MODEL_LIMIT_CHARACTERS)
    _check_sampling(profile.sampling)
    name = checked_text(profile.name.strip(), name="name", limit_characters=NAME_LIMIT_CHARACTERS)
    return replace(
        profile,
        name=name,
        background=_text(profile.background, "background"),
        context=_text(profile.context, "context"),
        personality_traits=_items(profile.personality_traits, "personality traits"),
        communication_style=_text(profile.communication_style, "communication style"),
        behaviour_patterns=_items(profile.behaviour_patterns, "behaviour patterns"),
        goals=_items(profile.goals, "goals"),
        boundaries=_items(profile.boundaries, "boundaries"),
        language=_text(profile.language, "language", limit_characters=LANGUAGE_LIMIT_CHARACTERS),
        opening_line=_text(profile.opening_line, "opening line"),
        collection_ids=_collections(profile.collection_ids),
    )


def _text(text: str, name: str, *, limit_characters: int = TEXT_LIMIT_CHARACTERS) -> str:
    return checked_text(text.strip(), name=name, limit_characters=limit_characters, blank_allowed=True)


def _items(items: tuple[str, ...], name: str) -> tuple[str, ...]:
    kept = tuple(item.strip() for item in items if item.strip())
    if len(kept) > LIST_LIMIT_ITEMS:
        raise InvalidInputError(
            f"There are {len(kept)} {name}; at most {LIST_LIMIT_ITEMS} are taken.", field=name.replace(" ", "_")
        )
    return tuple(checked_text(item, name=name, limit_characters=ITEM_LIMIT_CHARACTERS) for item in kept)


def _collections(ids: tuple[str, ...]) -> tuple[str, ...]:
    known = {parse_id(one) for one in ids}
    if len(known) > LIST_LIMIT_ITEMS:
        raise InvalidInputError(
            f"There are {len(known)} collections; at most {LIST_LIMIT_ITEMS} are taken.", field="collection_ids"
        )
    return tuple(sorted(known))


def _check_sampling(sampling: Sampling) -> None:
    for name, value, most in (("temperature", sampling.temperature, 2.0), ("top_p", sampling.top_p, 1.0)):
        if value is not None and not (math.isfinite(value) and 0 <= value <= most):
            raise InvalidInputError(f"The {name} is not between 0 and {most:g}. Send one such as 0.7.", field=name)
    for stop in sampling.stop:
        checked_text(stop, name="stop sequence", limit_characters=100, blank_allowed=True)
