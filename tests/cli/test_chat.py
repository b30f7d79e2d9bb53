import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind
from tests.cli.scenes import Convo, SlowModel, Terminal
from tests.serving import SharedServer

REPLY = "word0 word1 word2 word3 word4 \n"
CTRL_C, CTRL_D = "\x03", "\x04"
OpenTerminal = Callable[..., Terminal]
Talk = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


class TestChatInAPipe:
    @pytest.mark.local_model
    @pytest.mark.slow
    def test_the_model_in_the_wheel_answers_and_remembers_across_runs(self, convo: Convo) -> None:
        settings = {"CE_REPLY_LIMIT_TOKENS": "24"}
        convo = Convo(data_dir=convo.data_dir, settings=settings)
        first = convo("chat", typed="hi\n")
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.strip()
        assert convo("chat", typed="hi again\n").returncode == 0
        assert "in 4 messages" in convo("chat", typed="/cost\n").stdout

    def test_each_line_is_a_turn_and_only_replies_go_to_stdout(self, quick_convo: Convo) -> None:
        ended = quick_convo("chat", typed="one\n\n  \ntwo")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, REPLY * 2, "")

    def test_bytes_that_are_no_text_become_question_marks(self, quick_convo: Convo) -> None:
        ended = quick_convo("chat", typed=b"h\xffi\n/context\n")
        assert (ended.returncode, ended.stdout.splitlines()[1]) == (0, "user       h\N{REPLACEMENT CHARACTER}i")

    def test_an_unknown_model_is_refused_and_the_exit_code_says_so(self, quick_convo: Convo) -> None:
        ended = quick_convo("chat", "--model", "nobody/knows", typed="hi\n")
        assert (ended.returncode, ended.stdout) == (EXIT_CODES[Kind.INVALID], "")
        assert "There is no model" in ended.stderr

    def test_a_model_that_cannot_be_reached_fails_the_run(self, convo: Convo) -> None:
        away = {"CE_MODEL": "openai/stub", "CE_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
        ended = Convo(data_dir=convo.data_dir, settings=away)("chat", typed="hi\n")
        assert (ended.returncode, ended.stdout) == (EXIT_CODES[Kind.UPSTREAM], "")
        assert "cannot be reached" in ended.stderr

    def test_a_failure_does_not_keep_the_next_line_from_being_handled(self, quick_convo: Convo) -> None:
        ended = quick_convo("chat", typed="/nonsense\nhi\n")
        assert (ended.returncode, ended.stdout) == (EXIT_CODES[Kind.INVALID], REPLY)


class TestChatOnAServer:
    @pytest.fixture
    def talk(self, convo: Convo, chat_server: SharedServer) -> Talk:
        async def run(*arguments: str, token: str | None, typed: str) -> subprocess.CompletedProcess[str]:
            settings = {"NO_PROXY": "127.0.0.1", **({} if token is None else {"CE_TOKEN": token})}
            caller = Convo(data_dir=convo.data_dir, settings=settings)
            return await asyncio.to_thread(caller, "chat", "--server", *arguments, typed=typed)

        return run

    async def test_what_is_said_is_answered_there_and_gone_on_with(
        self, talk: Talk, chat_server: SharedServer, convo: Convo
    ) -> None:
        token = chat_server.token("pia")
        first = await talk(chat_server.url, token=token, typed="one\ntwo\n")
        assert (first.returncode, first.stdout, first.stderr) == (0, "one\ntwo\n", "")
        again = await talk(chat_server.url, token=token, typed="/cost\n")
        assert again.stdout.endswith("in 4 messages\n")

    @pytest.mark.parametrize(
        ("address", "token", "kind", "sentence"),
        [
            (None, None, Kind.UNAUTHENTICATED, "put a token into CE_TOKEN"),
            (None, "made up", Kind.UNAUTHENTICATED, "token"),
            ("127.0.0.1", "x", Kind.INVALID, "is no address"),
        ],
    )
    async def test_who_cannot_get_in_is_told_why(
        self,
        talk: Talk,
        chat_server: SharedServer,
        *,
        address: str | None,
        token: str | None,
        kind: Kind,
        sentence: str,
    ) -> None:
        ended = await talk(address or chat_server.url, token=token, typed="hi\n")
        assert (ended.returncode, ended.stdout) == (EXIT_CODES[kind], "")
        assert sentence in ended.stderr


@pytest.mark.slow
class TestSlashCommandsInAPipe:
    def test_what_they_show_goes_to_stdout(self, quick_convo: Convo) -> None:
        shown = quick_convo("chat", typed="hi\n/context\n/cost\n").stdout.splitlines()
        question, answer = (line.split() for line in shown[-6:-4])
        assert question == ["user", "hi"], shown
        assert answer == ["assistant", *REPLY.split()]
        assert "messages 1 to 2" in "".join(shown[-4:])
        assert shown[-1].endswith("in 2 messages")

    def test_quit_leaves_what_follows_unsaid(self, quick_convo: Convo) -> None:
        ended = quick_convo("chat", typed="/quit\nhi\n")
        assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.slow
class TestChatOnATerminal:
    def test_ctrl_c_stops_the_reply_and_keeps_its_beginning(
        self, tmp_path: Path, slow_model: SlowModel, terminal: OpenTerminal
    ) -> None:
        convo = Convo(data_dir=tmp_path, settings=slow_model.settings)
        opened = terminal(convo, "chat")
        opened.wait_for("> ")
        opened.type("hello\n")
        opened.wait_for("word3")
        opened.type(CTRL_C)
        opened.wait_for("Stopped. What was said so far is kept.")
        opened.wait_for("> ")
        opened.type("/quit\n")
        assert opened.exit_code() == 0
        kept = convo("chat", typed="/context\n").stdout.splitlines()
        assert kept[1].split()[:5] == ["assistant", "word0", "word1", "word2", "word3"]
        assert "word399" not in kept[1]

    def test_the_chat_goes_on_after_a_stopped_reply(
        self, tmp_path: Path, slow_model: SlowModel, terminal: OpenTerminal
    ) -> None:
        opened = terminal(Convo(data_dir=tmp_path, settings=slow_model.settings), "chat")
        for _ in range(2):
            opened.wait_for("> ")
            opened.type("hello\n")
            opened.wait_for("word1")
            opened.type(CTRL_C)
            opened.wait_for("Stopped.")
        opened.wait_for("> ")
        opened.type("/cost\n")
        opened.wait_for("in 4 messages")

    def test_ctrl_c_at_the_prompt_hints_and_a_second_one_leaves(
        self, quick_convo: Convo, terminal: OpenTerminal
    ) -> None:
        opened = terminal(quick_convo, "chat")
        opened.wait_for("> ")
        # readline misses an interrupt between its prompt and its wait for keys: an echo tells that it waits
        opened.type("half a li")
        opened.wait_for("half a li")
        opened.type(CTRL_C)
        opened.wait_for("Ctrl-C again")
        opened.type("more")
        opened.wait_for("more")
        opened.type(CTRL_C)
        assert opened.exit_code() == 0

    def test_it_goes_on_where_it_was_left_with_the_lines_typed_before(
        self, quick_convo: Convo, terminal: OpenTerminal
    ) -> None:
        first = terminal(quick_convo, "chat")
        first.wait_for("> ")
        first.type("remember the tides\n")
        first.wait_for("word4")
        first.wait_for("> ")
        first.type(CTRL_D)
        assert first.exit_code() == 0
        assert (quick_convo.data_dir / "chat_history").stat().st_mode & 0o777 == 0o600
        second = terminal(quick_convo, "chat")
        second.wait_for("remember the tides")
        second.wait_for("word4")
        second.wait_for("> ")
        second.type("\x1b[A")  # the up arrow
        second.wait_for("remember the tides")

    def test_a_refused_turn_is_a_sentence_and_the_chat_goes_on(
        self, quick_convo: Convo, terminal: OpenTerminal
    ) -> None:
        opened = terminal(quick_convo, "chat", "--model", "nobody/knows")
        opened.wait_for("> ")
        opened.type("hi\n")
        opened.wait_for("There is no model")
        opened.wait_for("> ")
        opened.type("/help\n")
        opened.wait_for("/context")
