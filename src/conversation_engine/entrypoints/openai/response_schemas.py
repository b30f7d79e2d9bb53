"""What `POST /v1/responses` takes."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.llm.tools import Toolbox
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.entrypoints.openai.chat_schemas import ConversationIn
from conversation_engine.entrypoints.openai.errors import UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import LABELS, DialectBody, Neutral
from conversation_engine.entrypoints.openai.formats import chat_format
from conversation_engine.entrypoints.openai.tools import toolbox_of
from conversation_engine.kernel.windows import TooLongPolicy, WindowOptions

NEUTRAL: Final[Neutral] = {
    **LABELS,
    "include": ([],),
    "reasoning": ({}, {"effort": None}, {"effort": None, "summary": None}, {"effort": "none"}),
    "max_tool_calls": (),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "prompt": (),
    "context_management": ([],),
}
_OF_TEXT: Final[Neutral] = {"verbosity": ("medium",)}
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
"""Sixteen pairs of short texts: what the dialect allows."""


class StreamOptionsIn(BaseModel):
    """How a stream is to be sent."""

    model_config = ConfigDict(extra="forbid")

    include_obfuscation: Literal[False] | None = None


class TextIn(DialectBody):
    """What form the text is to have."""

    format: dict[str, Any] | None = None


class AskIn(DialectBody):
    """What a model is to be shown."""

    model: str | None = Field(None, description="Unset: the conversation's model, or the server's default.")
    input: str | list[dict[str, Any]] | None = Field(
        None, description="Text, or items. Unset: what is in the conversation is answered."
    )
    instructions: str | None = Field(
        None, description="For this response only, in the place of the conversation's own."
    )
    conversation: str | ConversationIn | None = Field(None, description="Where it is said and answered.")
    previous_response_id: str | None = Field(None, description="What it follows, wherever that was said.")
    truncation: Literal["auto", "disabled"] | None = Field(
        None, description="`disabled`: refused where the model cannot be shown everything. Unset: `auto`."
    )
    text: TextIn | None = None
    tools: list[dict[str, Any]] | None = Field(None, description="Functions that the model may have you call.")
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None

    @property
    def conversation_named(self) -> str | None:
        """The id of a conversation, in either form."""
        named = self.conversation
        return named if isinstance(named, str) or named is None else named.id

    def window(self) -> WindowOptions:
        """How the window is to be chosen."""
        return WindowOptions(too_long=TooLongPolicy.ERROR if self.truncation == "disabled" else None)

    def check(self) -> None:
        """Raises UnsupportedFieldError."""
        self.refuse_unsupported(NEUTRAL)
        if self.text is not None:
            self.text.refuse_unsupported(_OF_TEXT, where="text.")
        if self.conversation is not None and self.previous_response_id is not None:
            raise UnsupportedFieldError("previous_response_id", "a conversation is named, too")

    def toolbox(self) -> Toolbox | None:
        """What the model may call. Raises UnsupportedFieldError or BadFieldError."""
        return toolbox_of(self.tools, self.tool_choice, self.parallel_tool_calls, is_nested=False)

    def response_format(self) -> dict[str, Any] | None:
        """As models take it. Raises UnsupportedFieldError or BadFieldError."""
        return chat_format(self.text.format if self.text else None, field="text.format")


class ResponseIn(AskIn):
    """A response to be made."""

    stream: bool | None = None
    stream_options: StreamOptionsIn | None = None
    background: bool | None = Field(None, description="Answer at once; the response is made meanwhile.")
    store: bool | None = Field(None, description="false: nothing is kept but what it cost. Unset: true.")
    metadata: Metadata | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_output_tokens: int | None = Field(None, ge=1)

    def check(self) -> None:
        super().check()
        if self.store is not False:
            return
        for name in ("conversation", "previous_response_id", "background", "metadata"):
            if getattr(self, name):
                raise UnsupportedFieldError(name, "the response is not to be stored (`store: false`)")

    def sampling(self) -> Sampling:
        """How the reply is to be drawn."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            reply_limit_tokens=self.max_output_tokens,
            response_format=self.response_format(),
            tools=self.toolbox(),
        )

    def kept(self) -> dict[str, Any]:
        """What is kept with the turn to tell of it again: only what was chosen."""
        chosen = {
            "metadata": self.metadata,
            "previous_response_id": self.previous_response_id,
            "background": self.background,
            "truncation": self.truncation,
        }
        kept = {name: value for name, value in chosen.items() if value}
        return {"response": kept} if kept else {}
