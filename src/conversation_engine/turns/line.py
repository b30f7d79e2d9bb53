"""Turns that wait in line while their conversation is still answering."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from conversation_engine.domains.conversations.errors import ConversationNotActiveError, MessageNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import BEGINNING, Conversation, MessageRole, NewMessage
from conversation_engine.domains.limits.errors import OverBudgetError, UnknownPriceError
from conversation_engine.domains.llm.errors import UnknownModelError
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.turns.errors import QueueFullError
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun, first_page_messages
from conversation_engine.turns.spending import TurnSpending, tokens_in
from conversation_engine.turns.types import Lease, QueuedMessage, Turn, TurnError, TurnState

CANNOT_START: Final = (
    ConversationNotActiveError,
    MessageNotFoundError,
    UnknownModelError,
    OverBudgetError,
    UnknownPriceError,
)


class TurnLine:
    """First come, first served; the length is bounded. Every method joins the caller's transaction."""

    def __init__(
        self,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        limit: int,
        spending: TurnSpending,
    ) -> None:
        self._conversations = conversations
        self._llm = llm
        self._clock = clock
        self._limit = limit
        self._spending = spending
        self._repo = TurnRepo()

    def join(self, tx: Tx, turn: Turn, message: NewMessage | None) -> Turn:
        """Put `turn` at the end of the line. Raises QueueFullError and what the conversation's door raises."""
        conversation = self._conversations.open_for_reply(tx, turn.conversation_id, owner_id=turn.owner_id)
        follows = turn.user_message_id if message is None else message.parent_id
        if follows is not None and (message is None or follows != BEGINNING):
            self._conversations.message(tx, conversation.id, follows)
        if self._repo.count_queued(tx, turn.conversation_id) >= self._limit:
            raise QueueFullError(self._limit)
        said = None if message is None else _queued(message)
        self._repo.insert_queued(tx, turn, said)
        return turn

    def leave(self, tx: Tx, turn: Turn) -> bool:
        """Cancel a turn that has not started; false when it has."""
        return self._repo.end_queued(tx, replace(turn, state=TurnState.CANCELLED, finished_at=self._clock.now()))

    def advance(self, tx: Tx, conversation_id: ConversationId, *, lease: Lease) -> TurnRun | None:
        """Let the first in line run for the lease's holder; what cannot run any more ends `failed`.

        Raises ConstraintViolation when another turn runs in that conversation.
        """
        while (head := self._repo.next_queued(tx, conversation_id)) is not None:
            turn, said = head
            try:
                with self._undone_if_refused(tx):
                    run = self._start(tx, turn, said, lease=lease)
            except CANNOT_START as error:
                self._repo.end_queued(tx, self._failed(turn, error))
            else:
                crash_point("line.before_commit")
                return run
        return None

    def check_budget(self, tx: Tx, turn: Turn, conversation: Conversation, message: NewMessage | None) -> None:
        """Refuse at once what no budget would let start now; nothing is promised before it does.

        Raises OverBudgetError or UnknownPriceError.
        """
        if not self._spending.may_bound(turn, conversation):
            return
        with tx.begin_nested() as trial:
            tokens = tokens_in(message.content) if message else 0
            self._spending.reserve(tx, self.run_of(tx, turn, conversation), more_tokens=tokens)
            trial.rollback()

    def _undone_if_refused(self, tx: Tx) -> AbstractContextManager[object]:
        """What a turn says goes again when a budget is in its way."""
        return tx.begin_nested() if self._spending.may_bound_any else nullcontext()

    def run_of(self, tx: Tx, turn: Turn, conversation: Conversation) -> TurnRun:
        """What the steps need to work on a running turn."""
        if turn.user_message_id not in (None, conversation.active_leaf_id):
            conversation = replace(conversation, active_leaf_id=turn.user_message_id)
        if turn.system_prompt is not None:
            conversation = replace(conversation, system_prompt=turn.system_prompt)
        return TurnRun(
            turn=turn,
            conversation=conversation,
            card=self._llm.card(turn.model),
            newest=self._conversations.newest(tx, conversation, count=first_page_messages(conversation)),
            live=LiveReply(turn.id, attempt=turn.attempt),
        )

    def _start(self, tx: Tx, turn: Turn, said: QueuedMessage | None, *, lease: Lease) -> TurnRun:
        self._llm.card(turn.model)
        conversation = self._say(tx, turn, said)
        started = replace(turn, state=TurnState.RUNNING, user_message_id=conversation.active_leaf_id)
        run = self.run_of(tx, started, conversation)
        self._spending.reserve(tx, run)
        self._repo.start(tx, started, lease=lease)
        return run

    def _say(self, tx: Tx, turn: Turn, said: QueuedMessage | None) -> Conversation:
        if said is None or turn.user_message_id is None:
            return self._conversations.open_for_reply(
                tx, turn.conversation_id, owner_id=turn.owner_id, parent_id=turn.user_message_id
            )
        message = NewMessage(
            id=turn.user_message_id,
            role=MessageRole.USER,
            content=said.content,
            turn_id=turn.id,
            parent_id=said.parent_id,
            metadata=said.metadata,
        )
        message = self._conversations.checked_message(message)
        conversation, _ = self._conversations.append(tx, turn.conversation_id, message, owner_id=turn.owner_id)
        return conversation

    def _failed(self, turn: Turn, error: EngineError) -> Turn:
        reason = TurnError(code=error.code, detail=error.detail)
        return replace(turn, state=TurnState.FAILED, error=reason, finished_at=self._clock.now())


def _queued(message: NewMessage) -> QueuedMessage:
    return QueuedMessage(content=message.content, metadata=message.metadata or {}, parent_id=message.parent_id)
