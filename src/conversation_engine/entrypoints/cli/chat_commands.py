"""What a line typed into a chat does: a slash command, or something said."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conversation_engine.entrypoints.cli.chat_house import ChatConversation, ReplyOver
from conversation_engine.entrypoints.cli.chat_screen import Screen
from conversation_engine.entrypoints.cli.chat_session import TITLE_CHARACTERS, ChatSession, shortened
from conversation_engine.entrypoints.cli.errors import BadCommandError
from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.kernel.ids import ConversationId, parse_id

SHOWN_CHARACTERS: Final = 72
"""Of a text that stands for a message: what a line has room for."""
NOTHING_SAID: Final = "Nothing has been said here yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a line."""

    is_leaving: bool = False
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A slash command."""

    usage: str
    meaning: str
    action: Callable[[str], Awaitable[None]]


class ChatCommands:
    """Does what lines say, in the engine's event loop."""

    def __init__(self, session: ChatSession, screen: Screen) -> None:
        self._session = session
        self._screen = screen
        self._listed: Sequence[ChatConversation] = ()
        self._commands: Mapping[str, Command] = {
            "/new": Command(usage="/new [title]", meaning="start a new conversation", action=self._new),
            "/list": Command(usage="/list", meaning="your newest conversations", action=self._list),
            "/open": Command(usage="/open N|id", meaning="go on in one of them", action=self._open),
            "/context": Command(
                usage="/context [question]", meaning="what the model would be shown", action=self._context
            ),
            "/cost": Command(usage="/cost", meaning="tokens and dollars of this conversation", action=self._cost),
            "/help": Command(usage="/help", meaning="this list", action=self._help),
        }

    async def handle(self, line: str) -> Outcome:
        """Do what `line` says. What goes wrong is shown, not raised."""
        line = line.strip()
        if not line:
            return Outcome()
        if line.lower() in ("/quit", "/exit"):
            return Outcome(is_leaving=True)
        try:
            if line.startswith("/") and not line.startswith("//"):
                await self._command(line)
                return Outcome()
            return self._ended(await self._session.say(line.removeprefix("/")))
        except EngineError as error:
            self._screen.fail(error.detail)
            return Outcome(exit_code=EXIT_CODES[error.kind])

    def stop(self) -> None:
        """Stop the reply that is being said. Does not wait."""
        self._session.stop()

    def _ended(self, over: ReplyOver) -> Outcome:
        """Say how a turn ended, if it did not end well."""
        if over.state == "completed":
            return Outcome()
        if over.state == "cancelled":
            self._screen.note("Stopped. What was said so far is kept.")
            return Outcome(exit_code=EXIT_CODES[Kind.CANCELLED])
        self._screen.fail(over.detail or "The reply was interrupted. What was said so far is kept.")
        return Outcome(exit_code=EXIT_CODES[Kind.UPSTREAM])

    async def _command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        command = self._commands.get(name.lower())
        if command is None:
            raise BadCommandError(
                f"There is no {_short(name)}: /help lists the commands. "
                "To say something that begins with a slash, type two of them."
            )
        await command.action(rest.strip())

    async def _new(self, title: str) -> None:
        await self._session.begin(title or None)
        self._screen.note(f"A new conversation: “{title}”." if title else "A new conversation.")

    async def _list(self, _rest: str) -> None:
        self._listed = await self._session.listed()
        if not self._listed:
            self._screen.note("There are no conversations yet.")
        for number, conversation in enumerate(self._listed, start=1):
            here = "*" if conversation.id == self._session.conversation_id else " "
            at = (conversation.last_message_at or conversation.created_at).astimezone()
            title = shortened(conversation.title or "untitled", TITLE_CHARACTERS)
            self._screen.show(
                f"{here}{number:>3}  {title:<{TITLE_CHARACTERS}}  {conversation.message_count:>4} messages  "
                f"{at:%Y-%m-%d %H:%M}  {conversation.id}"
            )

    async def _open(self, which: str) -> None:
        if not which:
            raise BadCommandError("Open which one? /open N with a number of /list, or /open and an id.")
        if not which.isdecimal():
            await self._session.enter(await self._session.find(ConversationId(parse_id(which))))
            return
        if not self._listed:
            self._listed = await self._session.listed()
        if not 1 <= int(which) <= len(self._listed):
            raise BadCommandError(f"There is no number {_short(which)}: /list shows what there is.")
        await self._session.enter(await self._session.find(self._listed[int(which) - 1].id))

    async def _context(self, question: str) -> None:
        window = await self._session.window(question or None)
        if window is None:
            self._screen.note(NOTHING_SAID)
            return
        for message in window.messages:
            self._screen.show(f"{message.speaker:<10} {_short(message.text)}")
        for line in account_of(window.manifest):
            self._screen.show(line)

    async def _cost(self, _rest: str) -> None:
        conversation = await self._session.current()
        if conversation is None:
            self._screen.note(NOTHING_SAID)
            return
        self._screen.show(
            f"{conversation.input_tokens} tokens read, {conversation.output_tokens} written, "
            f"${conversation.cost:f} in {conversation.message_count} messages"
        )

    async def _help(self, _rest: str) -> None:
        for command in self._commands.values():
            self._screen.show(f"{command.usage:<20} {command.meaning}")
        self._screen.show("/quit                leave, as Ctrl-D does; Ctrl-C stops a reply")


def account_of(manifest: Mapping[str, Any]) -> list[str]:
    """A line for every part of a window that its manifest accounts for."""
    part = manifest.get
    lines = [f"{part('input_tokens')} of {part('budget_tokens')} tokens, strategy {part('strategy')}"]
    if pinned := part("pinned"):
        lines.append(f"{len(pinned['numbers'])} pinned messages from before: {pinned['tokens']} tokens")
    if summary := part("summary"):
        lines.append(f"a summary of messages 1 to {summary['last']}: {summary['tokens']} tokens")
    if sent := part("sent"):
        lines.append(f"messages {sent['first']} to {sent['last']}: {sent['tokens']} tokens ({sent['reason']})")
    if recalled := part("recalled"):
        found = ", ".join(f"{one['number']} (score {one['score']})" for one in recalled["messages"])
        lines.append(f"recalled: {found}: {recalled['tokens']} tokens")
    if dropped := part("dropped"):
        lines.append(f"up to {dropped['last']} left out ({dropped['reason']})")
    if (prefix := part("prefix")) and prefix["share"] is not None:
        lines.append(f"{prefix['share']:.0%} of it began the prompt before, too")
    return lines


def _short(text: str) -> str:
    return shortened(text, SHOWN_CHARACTERS)
