"""What `POST /v1/chat/completions` takes."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.llm.parts import Parts, Text
from conversation_engine.domains.llm.types import LLMMessage, Sampling
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import LABELS, DialectBody, Neutral
from conversation_engine.entrypoints.openai.formats import checked_format
from conversation_engine.entrypoints.openai.media import said_in
from conversation_engine.entrypoints.openai.texts import text_of_parts
from conversation_engine.entrypoints.openai.tools import call_of, result_of, toolbox_of

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


class StreamOptionsIn(BaseModel):
    """How a stream is to be sent."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatMessageIn(DialectBody):
    """A message of the prompt."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    def message(self, place: str) -> LLMMessage:
        """As a model is shown it. Raises UnsupportedFieldError or BadFieldError."""
        self.refuse_unsupported(_OF_MESSAGE, where=f"{place}.")
        if self.tool_calls and self.role != "assistant":
            raise UnsupportedFieldError(f"{place}.tool_calls", f"the {self.role} calls nothing")
        if self.tool_call_id is not None and self.role != "tool":
            raise UnsupportedFieldError(f"{place}.tool_call_id", f"the {self.role} answers no call")
        if self.role == "tool":
            names = ("tool_call_id", "content")
            return LLMMessage("user", Parts((result_of(self.tool_call_id, self.content, place=place, names=names),)))
        if self.role == "user":
            return LLMMessage("user", said_in(self.content, place=f"{place}.content"))
        text = text_of_parts(self.content, place=f"{place}.content", kinds=("text",))
        if self.tool_calls:
            calls = [call_of(one, place=f"{place}.tool_calls[{n}]") for n, one in enumerate(self.tool_calls)]
            return LLMMessage("assistant", Parts((*([Text(text)] if text else []), *calls)))
        return LLMMessage("system" if self.role == "developer" else self.role, text)


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
    tools: list[dict[str, Any]] | None = Field(None, description="Functions that the model may have you call.")
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
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
            tools=toolbox_of(self.tools, self.tool_choice, self.parallel_tool_calls, is_nested=True),
        )

    def prompt(self) -> Sequence[LLMMessage]:
        """Every message. Raises UnsupportedFieldError or BadFieldError."""
        self.refuse_unsupported(NEUTRAL)
        return [message.message(f"messages[{place}]") for place, message in enumerate(self.messages)]

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what was used."""
        return bool(self.stream_options and self.stream_options.include_usage)


def said_anew(prompt: Sequence[LLMMessage]) -> tuple[str | None, Sequence[str | Parts]]:
    """The instructions and what is new, of a chat whose history we have: one message of the user's, or the results of
    what the last reply calls. Raises BadFieldError."""
    instructions = [message.text for message in prompt if message.role == "system"]
    spoken = [message for message in prompt if message.role != "system"]
    new = [message.content for message in takewhile(lambda message: message.role == "user", reversed(spoken))]
    results = [content for content in new if isinstance(content, Parts) and content.results]
    if not new or (len(new) > 1 and len(results) < len(new)):
        raise BadFieldError(
            "messages",
            "In a conversation, `messages` ends with exactly one user message that is new, or with the results of the "
            "calls that were made last: what was said before is stored already.",
        )
    return "\n\n".join(instructions) or None, new[::-1]
