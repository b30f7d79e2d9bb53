"""The words of model calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

from conversation_engine.domains.llm.parts import Parts
from conversation_engine.domains.llm.tools import Toolbox
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId

NO_CONVERSATION: Final = ConversationId("00000000-0000-0000-0000-000000000000")
"""Of calls that were made in none: tests of a connection."""


class LLMMessage(NamedTuple):
    """One message as a model is shown it."""

    role: Literal["system", "user", "assistant"]
    content: str | Parts
    """Results of tools are the user's, calls the assistant's."""

    @property
    def text(self) -> str:
        """What it says, as text."""
        return self.content if isinstance(self.content, str) else self.content.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a reply is drawn; `None` leaves the choice to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    reply_limit_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    response_format: Mapping[str, Any] | None = None
    """What form the reply must have, in the OpenAI dialect's words (`json_object`, `json_schema`); `None`: any."""
    tools: Toolbox | None = None
    """What the model may call; then the reply is a transcript (`transcript.py`)."""

    def as_json(self) -> dict[str, Any]:
        """Only what was chosen."""
        chosen = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "reply_limit_tokens": self.reply_limit_tokens,
            "stop": list(self.stop) or None,
            "seed": self.seed,
            "response_format": self.response_format,
        }
        said = {name: value for name, value in chosen.items() if value is not None}
        return said if self.tools is None else said | {"tools": self.tools.as_json()}

    def noted(self) -> dict[str, Any]:
        """What is kept with each call: of tools their names."""
        tools = self.tools
        if tools is None:
            return self.as_json()
        return replace(self, tools=None).as_json() | {"tools": [one.name for one in tools.functions]}

    @classmethod
    def from_json(cls, chosen: Mapping[str, Any]) -> "Sampling":
        """What `as_json` gave."""
        tools = chosen.get("tools")
        if tools is not None:
            chosen = {**chosen, "tools": Toolbox.from_json(tools)}
        return cls(**{**chosen, "stop": tuple(chosen.get("stop", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One call: what is shown and how the reply is drawn."""

    model: str
    """The provider's own name for it."""
    messages: Sequence[LLMMessage]
    sampling: Sampling
    stable_messages: int = 0
    """How many leading messages will most likely begin the next prompt, too: a prompt cache may end there."""
    cache_key: str | None = None
    """The same for prompts that share a beginning, so that a service can send them to the same cache."""


class UsageSource(StrEnum):
    """Who counted the tokens."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    """We did, because the provider did not say."""
    CALLER = "caller"
    """Whoever recorded a reply that was made without us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What one call used, whatever the provider's way of counting.

    `cached_tokens + cache_write_tokens <= input_tokens` and `reasoning_tokens <= output_tokens`: the sum of input and
    output is everything. Adapters of services that report the parts side by side (Anthropic) add them up.
    """

    input_tokens: int
    """Everything the model read, cached tokens and cache writes included."""
    cached_tokens: int
    """The part of `input_tokens` that came from the provider's prompt cache."""
    output_tokens: int
    """Everything the model wrote, reasoning that nobody is shown included."""
    cache_write_tokens: int = 0
    """The part of `input_tokens` that was written to the prompt cache, for later calls; none of it is cached yet."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that was reasoning; 0 too where the provider does not tell it apart."""
    source: UsageSource = UsageSource.PROVIDER
    """Who counted all of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More of the reply: never empty, always storable text; with tools more of its transcript (`transcript.py`)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFinished:
    """The last thing a provider yields; without it the stream was cut."""

    finish_reason: str
    """`stop`, `length`, `content_filter`, … in the OpenAI dialect's words."""
    usage: TokenUsage | None
    """`None` where the provider reports none."""


ModelEvent = TextDelta | ReplyFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCount:
    """What a prompt comes to in our own count, to be compared with what the provider reports."""

    messages: int
    by_script: tuple[int, ...]
    """o200k tokens of the texts alone, by `tokens.Script`."""
    is_instructed: bool
    """Whether it has a system message: some templates put one of their own in its place."""
    characters: tuple[int, ...] = ()
    """Of the texts, by `characters.Kind`; empty in what earlier versions counted."""


class ScriptRatio(NamedTuple):
    """A model's tokens per o200k token, for texts of one script."""

    typical: float
    """As many texts take more as take fewer."""
    safe: float
    """Nine tenths of the texts take fewer."""


class TokenRatios(NamedTuple):
    """How a model's vocabulary and chat template compare with our count."""

    by_script: tuple[ScriptRatio, ...]
    """By `tokens.Script`."""
    template_tokens: tuple[int, int] = (0, 0)
    """What the template adds to a whole prompt: without instructions (a system message), and with them."""
    weights: Callable[[], Sequence[float]] | None = None
    """Finer, for estimates: what each part of a prompt comes to (`tokens.parts_of`). Worked out when asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What a model costs: US dollars per million tokens, none negative."""

    input: Decimal | None
    output: Decimal | None
    """`None`, here and above: nobody knows."""
    cached: Decimal | None = None
    """Input from the prompt cache; `None`: as `input`."""
    cache_write: Decimal | None = None
    """Input that is written to the prompt cache; `None`: as `input`."""
    reasoning: Decimal | None = None
    """The part of the output that nobody is shown; `None`: as `output`."""
    call: Decimal = Decimal(0)
    """Dollars for each call, whatever its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What we know of a model before calling it."""

    name: str
    """How people choose it here, such as `openai/gpt-5-mini`."""
    provider: str
    provider_model: str
    context_tokens: int
    """Prompt and reply together."""
    is_free: bool = False
    """Whether a call costs nothing by definition (a model on our own machine)."""
    own_price: ModelPrice | None = None
    """Set where the operator names a price; it goes before every table."""
    ratios: TokenRatios | None = None
    """What was learned of its vocabulary; `None`: what is assumed of its provider."""
    priced_as: str | None = None
    """The price table's name of the provider, where that is not `provider`."""
    output_limit_tokens: int | None = None
    """Longest reply that the service allows, where we know."""
    capabilities: frozenset[str] | None = None
    """What it can do beyond text (`known_models.Capability`); `None`: nobody told us, so its service is asked."""

    cannot: frozenset[str] = frozenset()
    """What its service has no words for, whatever the model: `json_object`, `file_url`."""

    def lacks(self, capability: str) -> bool:
        """Whether it is known not to have it."""
        return self.capabilities is not None and capability not in self.capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """A model of the catalogue, and whether it can be asked now."""

    card: ModelCard
    context_tokens: int | None
    """What the model itself can hold; `card.context_tokens` is how much of that we use. `None`: nobody told us."""
    capabilities: Sequence[str] | None
    """Sorted; `None`: nobody told us."""
    price: ModelPrice | None
    """Today's, for a short prompt; `None`: nobody knows."""
    is_default: bool
    fallback_rank: int | None
    """1 for the model that is asked first when another cannot answer."""
    unusable: str | None
    """Why it cannot be asked now: `no_key`, `not_installed`, `circuit_open`; `None`: it can, for all we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What came of asking a model for a word."""

    model: str
    verdict: str
    """`ok`, or what is wrong: `no_key`, `wrong_key`, `no_such_model`, `unreachable`, …, or else the error's code."""
    sentence: str
    """For an operator: what is wrong where, and what to do."""
    cause: str | None
    """The service's own words, without secrets."""
    latency_ms: int = 0
    """Until the first word, or until it failed."""
    attempt: "Attempt | None" = None
    """The call that was made; `None`: none was."""

    @property
    def is_ok(self) -> bool:
        """Whether it answered."""
        return self.verdict == "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBound:
    """The most that a call can take."""

    tokens: int
    """Input and output together."""
    dollars: Callable[[], Decimal | None]
    """`None`: nobody knows the price. The first time it is asked for, the table of prices is read: 0.4 s."""


class AttemptStatus(StrEnum):
    """How a model call ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One provider call, as it is recorded."""

    id: LlmRequestId
    conversation_id: ConversationId
    owner_id: UserId
    turn_id: TurnId | None
    """`None` for a call that an embedding product made by itself and told us of."""
    attempt: int
    """1 for a turn's first call."""
    provider: str
    model: str
    parameters: dict[str, Any]
    status: AttemptStatus
    latency_ms: int
    """From the call to its end."""
    first_token_ms: int | None
    """From the call to the first text; `None` if none came."""
    usage: TokenUsage | None
    cost: Decimal | None
    """US dollars; `None` where the price or the usage is unknown."""
    finish_reason: str | None
    error_code: str | None
    error_cause: str | None
    """For operators: never shown to users, never holds a key."""
    created_at: datetime
    counted: PromptCount | None = None
    """Our own count of the prompt, for some of the calls of which the provider reports the usage."""
