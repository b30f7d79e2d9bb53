"""`convo chat`: a conversation in the terminal, or through a pipe."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.errors import RefusedByServerError, TokenRequiredError
from conversation_engine.kernel.ids import UserId

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings
    from conversation_engine.entrypoints.cli.chat_commands import ChatCommands
    from conversation_engine.entrypoints.cli.chat_house import ChatHouse
    from conversation_engine.entrypoints.cli.chat_lines import Lines
    from conversation_engine.entrypoints.cli.chat_screen import Screen
    from conversation_engine.infra.loop_thread import LoopThread


def chat(
    user: Annotated[str, typer.Option(help="Whose conversations.")] = "local",
    model: Annotated[str | None, typer.Option(help="Who answers: local, openai/NAME or anthropic/NAME.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Start a new conversation instead of going on.")] = False,
    *,
    server: Annotated[
        str | None, typer.Option(help="Talk on this server instead of here, such as http://127.0.0.1:8000.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="CE_TOKEN", help="Who you are there; other people may see what you type here.")
    ] = None,
) -> None:
    """Talk to a model. Goes on where you left off; /help lists the commands, Ctrl-C stops a reply.

    In a pipe each line is a turn and only the replies go to stdout: echo "Hello" | convo chat
    """
    settings = load_settings()
    screen, lines = _terminal(settings) if sys.stdin.isatty() and sys.stdout.isatty() else _pipe()
    opened = (
        _embedded(settings, screen, user=UserId(user), model=model, is_new=new)
        if server is None
        else _remote(screen, server=server, token=token, model=model, is_new=new)
    )
    with opened as (loop, commands), lines:
        exit_code = _talk(loop, lines, commands)
    raise typer.Exit(exit_code)


def _terminal(settings: "Settings") -> tuple["Screen", "Lines"]:
    from conversation_engine.entrypoints.cli.chat_lines import KeyboardLines
    from conversation_engine.entrypoints.cli.chat_screen import TerminalScreen

    return TerminalScreen(), KeyboardLines(settings.data_dir / "chat_history")


def _pipe() -> tuple["Screen", "Lines"]:
    from conversation_engine.entrypoints.cli.chat_lines import PipeLines
    from conversation_engine.entrypoints.cli.chat_screen import PlainScreen

    return PlainScreen(), PipeLines()


@contextlib.contextmanager
def _embedded(
    settings: "Settings", screen: "Screen", *, user: UserId, model: str | None, is_new: bool
) -> Iterator[tuple["LoopThread", "ChatCommands"]]:
    """The embedded engine in its loop, and the chat over it."""
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.entrypoints.cli.chat_embedded import EmbeddedHouse
    from conversation_engine.infra.loop_thread import LoopThread

    with LoopThread() as loop:
        # Whoever sits here reads errors; and what a pipe hands on must be a model's words.
        engine = ConversationEngine(settings.model_copy(update={"fallback_reply": "", "fallback_replies": {}}))
        try:
            loop.run(engine.start())
            house = EmbeddedHouse(engine, user=user, model=model)
            loop.call(house.warm_up)
            yield loop, _opened(loop, house, screen, is_new=is_new)
        finally:
            loop.run(engine.aclose())


@contextlib.contextmanager
def _remote(
    screen: "Screen", *, server: str, token: str | None, model: str | None, is_new: bool
) -> Iterator[tuple["LoopThread", "ChatCommands"]]:
    """A client of a server in a loop, and the chat over it."""
    from conversation_engine.client import Client, ClientError
    from conversation_engine.entrypoints.cli.chat_remote import RemoteHouse
    from conversation_engine.infra.loop_thread import LoopThread

    if not token:
        raise TokenRequiredError
    try:
        client = Client(server, token=token)
    except ClientError as error:
        raise RefusedByServerError(error.detail, kind=error.kind) from error
    with LoopThread() as loop:
        try:
            yield loop, _opened(loop, RemoteHouse(client, name=server, model=model), screen, is_new=is_new)
        finally:
            loop.run(client.aclose())


def _opened(loop: "LoopThread", house: "ChatHouse", screen: "Screen", *, is_new: bool) -> "ChatCommands":
    from conversation_engine.entrypoints.cli.chat_commands import ChatCommands
    from conversation_engine.entrypoints.cli.chat_session import ChatSession

    session = ChatSession(house, screen)
    loop.run(session.start(is_new=is_new))
    return ChatCommands(session, screen)


def _talk(loop: "LoopThread", lines: "Lines", commands: "ChatCommands") -> int:
    """Handle every line; the exit code is that of the first failure."""
    exit_code = 0
    while (line := lines.read()) is not None:
        with lines.interrupts(lambda: loop.call(commands.stop)):
            outcome = loop.run(commands.handle(line))
        if outcome.is_leaving:
            break
        exit_code = exit_code or outcome.exit_code
    return exit_code if lines.is_pipe else 0
