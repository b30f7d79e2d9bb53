"""What `POST /v1/chat/completions` takes."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.llm.types import LLMMessage, Sampling
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import LABELS, DialectBody, Neutral
from conversation_engine.entrypoints.openai.formats import checked_format
from conversation_engine.kernel.text import checked_text

NEUTRAL: Final[Neutral] = {
    **LABELS,
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    "store": (False,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}
"""Of a request. What is in none of these tables is refused as unknown."""
_OF_MESSAGE: Final[Neutral] = {"refusal": (), "audio": (), "name": (), "function_call": (), "annotations": ([],)}
Stop = Annotated[str, Field(min_length=1, max_length=100)]
MESSAGE_LIMIT_CHARACTERS: Final = 10_000_000
"""Of one message of a prompt that is not stored; the body's own limit is smaller, unless an operator raised it."""


class StreamOptionsIn(BaseModel):
    """How a stream is to be sent."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatMessageIn(DialectBody):
    """A message of the prompt."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None

    def message(self, place: str) -> LLMMessage:
        """As a model is shown it. Raises UnsupportedFieldError or BadFieldError."""
        self.refuse_unsupported(_OF_MESSAGE, where=f"{place}.")
        if self.tool_calls:
            raise UnsupportedFieldError(f"{place}.tool_calls")
        role = "system" if self.role == "developer" else self.role
        return LLMMessage(role, text_of_parts(self.content, place=f"{place}.content", kinds=("text",)))


class ConversationIn(BaseModel):
    """A conversation of ours."""

    model_config = ConfigDict(extra="forbid")

    id: str


class ChatIn(DialectBody):
    """A chat to be continued."""

    model: str
    messages: list[ChatMessageIn] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptionsIn | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1, description="Goes before `max_tokens`.")
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    response_format: dict[str, Any] | None = None
    conversation: str | ConversationIn | None = Field(
        None,
        description="An extension: the conversation in which the last message is said. Its stored history stands in "
        "the place of the messages before. Unset: nothing is stored.",
    )
    metadata: dict[str, str] | None = Field(
        None, description="Kept with the reply in a conversation; refused without one."
    )

    def sampling(self) -> Sampling:
        """How the reply is to be drawn. Raises UnsupportedFieldError or BadFieldError."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            reply_limit_tokens=self.max_completion_tokens or self.max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            seed=self.seed,
            response_format=checked_format(self.response_format, field="response_format"),
        )

    def prompt(self) -> Sequence[LLMMessage]:
        """Every message. Raises UnsupportedFieldError or BadFieldError."""
        self.refuse_unsupported(NEUTRAL)
        return [message.message(f"messages[{place}]") for place, message in enumerate(self.messages)]

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what was used."""
        return bool(self.stream_options and self.stream_options.include_usage)


def said_anew(prompt: Sequence[LLMMessage]) -> tuple[str | None, str]:
    """The instructions and the one message that is new, of a chat whose history we have. Raises BadFieldError."""
    instructions = [message.content for message in prompt if message.role == "system"]
    spoken = [message for message in prompt if message.role != "system"]
    is_new = bool(spoken) and spoken[-1].role == "user"
    if not is_new or (len(spoken) > 1 and spoken[-2].role == "user"):
        raise BadFieldError(
            "messages",
            "In a conversation, `messages` ends with exactly one user message that is new: what was said before it is "
            "stored already.",
        )
    return "\n\n".join(instructions) or None, spoken[-1].content


def text_of_parts(content: str | list[dict[str, Any]] | None, *, place: str, kinds: tuple[str, ...]) -> str:
    """A message's text. Raises UnsupportedFieldError for a part that is none, BadFieldError for no text at all."""
    texts = [content] if isinstance(content, str) else []
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type")
        if kind not in kinds:
            raise UnsupportedFieldError(f"{place}[{number}].type", f"parts of the kind {str(kind)[:50]!r}")
        if not isinstance(part.get("text"), str):
            raise BadFieldError(f"{place}[{number}].text", f"`{place}[{number}].text` must be text.")
        texts.append(part["text"])
    return checked_text("\n".join(texts), name=place, limit_characters=MESSAGE_LIMIT_CHARACTERS, blank_allowed=True)
