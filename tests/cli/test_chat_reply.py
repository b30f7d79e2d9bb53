import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from conversation_engine.entrypoints.cli.chat_reply import GrowingReply, harmless, split_finished

PIECES = st.sampled_from(
    ["a ", "b\n", "\n", "\n\n", "# ", "- ", "1. ", "```\n", "> ", "| a | b |\n", "|--|--|\n", "    ", "=\n"]
)


class TestGrowingReply:
    def test_a_reply_higher_than_the_screen_is_printed_once_and_whole(self) -> None:
        console = Console(file=io.StringIO(), width=40, height=5)
        reply = GrowingReply(console, on_first_text=lambda: None)
        for number in range(60):
            reply.add(f"line {number}x\n" + "\n" * (number % 3 == 0))
        reply.close()
        written = console.file.getvalue()  # type: ignore[attr-defined]
        assert [written.count(f"line {number}x") for number in range(60)] == [1] * 60

    def test_a_reply_without_text_leaves_the_screen_alone(self) -> None:
        console = Console(file=io.StringIO())
        GrowingReply(console, on_first_text=lambda: None).close()
        assert console.file.getvalue() == ""  # type: ignore[attr-defined]


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
