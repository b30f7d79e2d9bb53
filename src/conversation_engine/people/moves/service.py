"""Taking conversations along."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from conversation_engine.domains.conversations.moves.service import MoveStore
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.conversations.types import Conversation, ConversationFilter, Message
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.domains.feedback.types import Feedback, FeedbackFilter
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.insights.calls.service import CallService
from conversation_engine.insights.calls.types import RecordedCall
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, UserId
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.people.moves.forms import html_page, json_file, jsonl, markdown
from conversation_engine.people.moves.types import Export, Said, Talk
from conversation_engine.people.moves.words import ExportForm

PAGE: Final = 100
"""Rows that are in memory at once: a message may have 200,000 characters."""
PIECE_CHARACTERS: Final = 65_536
"""What is sent at once: a write for each message would cost more than the message."""


class Writer(Protocol):
    """A form."""

    def __call__(self, talks: AsyncIterator[Talk], *, at: datetime) -> AsyncIterator[str]: ...


FORMS: Final[dict[ExportForm, tuple[Writer, str, str]]] = {
    ExportForm.JSON: (json_file.write, "application/json", "json"),
    ExportForm.JSONL: (jsonl.write, "application/jsonl", "jsonl"),
    ExportForm.MARKDOWN: (markdown.write, "text/markdown; charset=utf-8", "md"),
    ExportForm.HTML: (html_page.write, "text/html; charset=utf-8", "html"),
}


class ExportService:
    """Writes conversations as files, page by page: memory does not grow with what there is.

    A file has what was there when it was begun, but for what is deleted while it is written. No transaction stays open
    between two pages.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        sessions: SessionStore,
        calls: CallService,
        feedback: FeedbackService,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._sessions = sessions
        self._calls = calls
        self._feedback = feedback
        self._audit = audit
        self._clock = clock
        self._store = MoveStore()

    async def of_conversation(self, caller: Principal, conversation_id: ConversationId, form: ExportForm) -> Export:
        """One of the caller's own. Raises ConversationNotFoundError, ConversationForbiddenError."""
        return self._one(await self._conversations.get(conversation_id, owner_id=caller.user_id), form)

    async def of_reviewed(self, caller: Principal, conversation_id: ConversationId, form: ExportForm) -> Export:
        """One that the caller looks after, as `ReviewService` has it: the look is on record.

        Raises RoleForbiddenError, ConversationNotFoundError, ConversationForbiddenError.
        """
        require_role(caller, Role.TEACHER, Role.ADMIN)

        def work(tx: Tx) -> Conversation:
            conversation = self._sessions.readable(tx, caller, conversation_id)
            if conversation.owner_id != caller.user_id:
                self._audit.record(tx, _look(caller, conversation, form))
            return conversation

        return self._one(await self._database.write(work), form)

    def of_owner(self, owner_id: UserId, form: ExportForm) -> Export:
        """All conversations of somebody, newest first."""
        return self._export(f"conversations-{self._clock.now():%Y-%m-%d}", self._all(owner_id), form)

    def _one(self, conversation: Conversation, form: ExportForm) -> Export:
        return self._export(f"conversation-{conversation.id}", self._only(conversation), form)

    def _export(self, name: str, talks: AsyncIterator[Talk], form: ExportForm) -> Export:
        write, media_type, ending = FORMS[form]
        pieces = _encoded(write(talks, at=self._clock.now()))
        return Export(name=f"{name}.{ending}", media_type=media_type, pieces=pieces)

    async def _only(self, conversation: Conversation) -> AsyncIterator[Talk]:
        yield await self._talk(conversation)

    async def _all(self, owner_id: UserId) -> AsyncIterator[Talk]:
        cursor = None
        while True:
            page = await self._conversations.list_of(owner_id, ConversationFilter(), cursor=cursor, limit=PAGE)
            for conversation in page.items:
                yield await self._talk(conversation)
            if (cursor := page.next) is None:
                return

    async def _talk(self, conversation: Conversation) -> Talk:
        def work(tx: Tx) -> tuple[frozenset[int] | None, int]:
            path = self._store.path_numbers(tx, conversation)
            return path, self._store.last_answer(tx, conversation, path)

        path, last_answer = await self._database.read(work)
        return Talk(
            conversation=conversation,
            last_answer=last_answer,
            messages=lambda: self._said(conversation, self._with_calls),
            path=lambda: self._said(conversation, lambda tx, found: self._on_path(tx, conversation, found, path)),
            other_calls=lambda: self._other_calls(conversation),
            feedback=lambda: self._opinions(conversation),
        )

    async def _said(
        self, conversation: Conversation, completed: Callable[[Tx, Sequence[Message]], list[Said]]
    ) -> AsyncIterator[Said]:
        after = 0

        def work(tx: Tx) -> tuple[Sequence[Message], list[Said]]:
            found = self._store.messages_after(tx, conversation, after, count=PAGE)
            return found, completed(tx, found)

        while True:
            found, said = await self._database.read(work)
            for one in said:
                yield one
            if len(found) < PAGE:
                return
            after = found[-1].sequence_number

    def _with_calls(self, tx: Tx, found: Sequence[Message]) -> list[Said]:
        calls = self._calls.by_id(tx, [one.llm_request_id for one in found if one.llm_request_id is not None])
        return [Said(message=one, call=calls.get(one.llm_request_id or "")) for one in found]

    def _on_path(
        self, tx: Tx, conversation: Conversation, found: Sequence[Message], path: frozenset[int] | None
    ) -> list[Said]:
        here = [one for one in found if path is None or one.sequence_number in path]
        opinions = self._feedback.on(tx, conversation.id, [one.id for one in here])
        return [Said(message=one, opinions=opinions.get(one.id, ())) for one in here]

    async def _other_calls(self, conversation: Conversation) -> AsyncIterator[RecordedCall]:
        after: str | None = None

        def work(tx: Tx) -> tuple[Sequence[RecordedCall], frozenset[LlmRequestId]]:
            owner_id = conversation.owner_id
            made = self._calls.made_in(tx, conversation.id, owner_id=owner_id, after=after, count=PAGE)
            return made, self._store.makers(tx, [LlmRequestId(call.id) for call in made])

        while True:
            made, makers = await self._database.read(work)
            for call in made:
                if call.id not in makers:
                    yield call
            if len(made) < PAGE:
                return
            after = made[-1].id

    async def _opinions(self, conversation: Conversation) -> AsyncIterator[Feedback]:
        wanted, cursor = FeedbackFilter(conversation_id=conversation.id), None
        while True:
            page = await self._feedback.list_of(wanted, cursor=cursor, limit=PAGE)
            for one in page.items:
                yield one
            if (cursor := page.next) is None:
                return


async def _encoded(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """The same text in pieces worth sending."""
    waiting: list[str] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_CHARACTERS:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode()


def _look(caller: Principal, conversation: Conversation, form: ExportForm) -> Deed:
    return Deed(
        action="conversation.exported",
        actor_id=caller.user_id,
        subject_id=conversation.owner_id,
        target=f"conversation:{conversation.id}",
        details={"form": form.value},
    )
