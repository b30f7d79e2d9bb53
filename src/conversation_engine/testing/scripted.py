"""A model that says and does what the test tells it: for "what do we do when the provider …"."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from conversation_engine.domains.llm import transcript
from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.domains.llm.types import (
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TextDelta,
    TokenUsage,
)


@dataclass(frozen=True, slots=True)
class Say:
    """Stream this text as one delta."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """Break with this error."""

    error: ModelError


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool, with its arguments in pieces."""

    name: str
    arguments: Sequence[str] = ("{}",)
    call_id: str = "call_1"


Line = Say | Pause | Fail | Call
Script = Sequence[Line]


class ScriptedModel:
    """A `ModelProvider` that plays scripts, one a call; after the last it echoes the newest message."""

    name = "scripted"

    def __init__(self, *scripts: Script, usage: TokenUsage | None = None, finish_reason: str = "stop") -> None:
        self._scripts = list(scripts)
        self._usage = usage
        self._finish_reason = finish_reason
        self.requests: list[ModelRequest] = []
        """Every call, in order."""
        self.closed = 0
        """How many streams were closed before they had finished."""

    def then(self, *script: Line) -> None:
        """Play `script` in a call to come."""
        self._scripts.append(script)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        script = self._scripts.pop(0) if self._scripts else [Say(request.messages[-1].text)]
        is_in_call = False
        try:
            for line in script:
                match line:
                    case Say(text) if is_in_call:
                        is_in_call = False
                        yield TextDelta(text=transcript.reopening() + transcript.plain(text))
                    case Say(text):
                        yield TextDelta(text=text)
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case Fail(error):
                        raise error
                    case Call(name, arguments, call_id):
                        is_in_call = True
                        for text in (transcript.opening(call_id, name), *arguments):
                            yield TextDelta(text=text)
        except (GeneratorExit, asyncio.CancelledError):
            self.closed += 1
            raise
        calls = any(isinstance(line, Call) for line in script)
        yield ReplyFinished(finish_reason="tool_calls" if calls else self._finish_reason, usage=self._usage)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
