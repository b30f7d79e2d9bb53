import asyncio
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from conversation_engine.entrypoints.cli.chat_reply import (
    REDRAWS_PER_SECOND,
    GrowingReply,
    harmless,
    split_finished,
)

PIECES = st.sampled_from(
    ["a ", "b\n", "\n", "\n\n", "# ", "- ", "1. ", "```\n", "> ", "| a | b |\n", "|--|--|\n", "    ", "=\n"]
)
_PARTS = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\n)|(\r)|([^\x1b\r\n]+)")


class Paper(io.StringIO):
    """A terminal that never forgets: what was written, and what was erased while it could still be reached."""

    def __init__(self, *, height: int) -> None:
        super().__init__()
        self._height = height
        self.lines = [""]
        self._row = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for argument, verb, newline, _return, words in _PARTS.findall(text):
            if verb == "A":
                self._row = max(len(self.lines) - self._height, self._row - int(argument or 1), 0)
            elif verb == "K":
                self.lines[self._row] = ""
            elif newline:
                self._row += 1
                self.lines += [""] * (self._row == len(self.lines))
            elif words:
                self.lines[self._row] += words  # rich erases a line before it writes it again
        return len(text)


class TestGrowingReply:
    @pytest.mark.parametrize("height", [5, 24])
    @pytest.mark.parametrize("opening", ["", "```python\n", "- a list\n- "], ids=["text", "code", "list"])
    async def test_a_reply_higher_than_the_screen_is_there_once_and_whole(self, height: int, opening: str) -> None:
        paper = Paper(height=height)
        console = Console(file=paper, width=40, height=height, force_terminal=True, color_system=None)
        console.print("above")
        reply = GrowingReply(console, on_first_text=lambda: None)
        reply.add(f"before\n\n{opening}")
        for number in range(60):
            reply.add(f"line{number}x\n" + "\n" * (number % 20 == 0))
            await asyncio.sleep(0.3 / REDRAWS_PER_SECOND)
        reply.close()
        console.print("below")
        expected = ["above", "before", *(f"line{number}x" for number in range(60)), "below"]
        assert re.findall(r"above|before|below|line\d+x", "\n".join(paper.lines)) == expected

    async def test_a_reply_without_text_leaves_the_screen_alone(self) -> None:
        paper = Paper(height=24)
        GrowingReply(Console(file=paper), on_first_text=lambda: None).close()
        assert paper.lines == [""]


class TestSplitFinished:
    def test_the_last_block_may_still_change(self) -> None:
        assert split_finished("one\n\ntwo\n\nthr") == ("one\n\ntwo\n\n", "thr")

    def test_an_open_code_block_is_not_finished(self) -> None:
        assert split_finished("one\n```python\n\nx = 1\n\n") == ("one\n", "```python\n\nx = 1\n\n")

    @given(st.lists(PIECES).map("".join))
    def test_nothing_is_lost_or_said_twice(self, text: str) -> None:
        assert "".join(split_finished(text)) == text


class TestHarmless:
    def test_a_model_cannot_drive_the_terminal(self) -> None:
        assert harmless("\x1b]52;c;aGk=\x07\x9b2J\r\n\tfine – é") == "�]52;c;aGk=��2J\n\tfine – é"
