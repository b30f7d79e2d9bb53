"""The prompt that makes a model be a client."""

from typing import Final

from conversation_engine.domains.personas.prompts.library import PromptLibrary
from conversation_engine.domains.personas.types import ClientProfile

TEMPLATE: Final = "persona"


def generate_system_prompt(profile: ClientProfile, library: PromptLibrary | None = None) -> str:
    """The newest `persona` template, filled in: role, description, difficulty, boundaries and safeguards.

    Deterministic: the same profile and template give the same text. What the profile says is quoted as data. Without
    a `library` the packaged templates are read anew.
    """
    template = (library or PromptLibrary()).get(TEMPLATE)
    values = {
        "name": profile.name,
        "age": profile.age,
        "language": profile.language,
        "background": profile.background,
        "context": profile.context,
        "personality_traits": profile.personality_traits,
        "communication_style": profile.communication_style,
        "behaviour_patterns": profile.behaviour_patterns,
        "goals": profile.goals,
        "boundaries": profile.boundaries,
        "opening_line": profile.opening_line,
        "difficulty": profile.difficulty.value,
    }
    # A deployment's own template need not use all of it.
    return template.render({name: value for name, value in values.items() if name in template.variables})
