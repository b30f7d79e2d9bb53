"""Knobs of understanding."""

from typing import Final

from pydantic import BaseModel, Field

DEFAULT_INTENTS: Final = {
    "comparison": ["compare", "versus", "vs", "difference between", "better than", "differ"],
    "explanation": ["why", "how does it work", "how do they work", "explain", "what does it mean", "the reason"],
    "instruction": ["how can I", "how do I", "how to", "write", "create", "translate", "summarize", "make", "show me"],
    "lookup": ["what is", "what was", "who", "when", "where", "which", "how much", "how many", "list"],
    "small_talk": ["hello", "hi", "hey", "thanks", "thank you", "good morning", "how are you", "bye"],
}


class UnderstandingSettings(BaseModel):
    """How questions are understood."""

    understanding_model: str | None = Field(
        None,
        description="Which model says whether a question is a follow-up, rewrites it and finds its intent: a model's "
        "name, or `conversation` for each conversation's own. Unset: rules and learnt weights, without a model.",
    )
    understanding_timeout_seconds: float = Field(
        5.0, gt=0, description="Longest wait for that model; then the rules decide."
    )
    intents: dict[str, list[str]] = Field(
        DEFAULT_INTENTS,
        description='Intents that questions are sorted into, as JSON: `{"label": ["words that tell it"]}`; `{}`: none.',
    )
    titles: str = Field(
        "rules",
        description="How a conversation that nobody has named gets a title after its first turn: `rules` (from the "
        "first question), `off`, or a model's name: it writes one in the background (`conversation`: its own model).",
    )
