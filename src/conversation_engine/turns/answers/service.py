"""What one can do with a turn whose conversation one does not name."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from conversation_engine.domains.conversations.errors import ConversationForbiddenError
from conversation_engine.domains.conversations.items.service import ItemService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Message
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.ids import MessageId, TurnId, UserId, parse_id
from conversation_engine.turns.errors import TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.state import is_final
from conversation_engine.turns.types import Turn, TurnDetail

PAGE_MESSAGES: Final = 100


class AnswerService:
    """All raise TurnNotFoundError for an unknown id and ConversationForbiddenError for somebody else's."""

    def __init__(
        self, database: Database, *, conversations: ConversationService, items: ItemService, llm: LlmService
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._items = items
        self._llm = llm
        self._repo = TurnRepo()

    async def find(self, turn_id: TurnId, *, owner_id: UserId) -> Turn:
        """The turn without what came of it. One statement."""
        return await self._database.read(lambda tx: self._owned(tx, turn_id, owner_id))

    async def get(self, turn_id: TurnId, *, owner_id: UserId) -> TurnDetail:
        """The turn with its reply and its model calls. Three statements."""
        return await self._database.read(lambda tx: self._detail(tx, self._owned(tx, turn_id, owner_id)))

    async def inputs(self, turn: Turn) -> Sequence[Message]:
        """What was said with the turn, oldest first; nothing where it found its question, or waits in line."""
        if turn.user_message_id is None:
            return []
        return await self._database.read(lambda tx: self._inputs(tx, turn, turn.user_message_id))

    async def forget(self, turn_id: TurnId, *, owner_id: UserId, made_for: str) -> None:
        """Take a turn that has ended off the record. What its model calls cost stays.

        What was said goes, too, where nothing follows it in a conversation of the type `made_for`, and with the last
        of it the conversation; elsewhere it is the conversation's, and what others have built upon. One transaction.
        Raises TurnInProgressError.
        """
        await self._database.write(lambda tx: self._forget(tx, turn_id, owner_id, made_for))

    def _forget(self, tx: Tx, turn_id: TurnId, owner_id: UserId, made_for: str) -> None:
        turn = self._owned(tx, turn_id, owner_id)
        if not is_final(turn.state):
            raise TurnInProgressError(turn.id)
        conversation = self._conversations.hold(tx, turn.conversation_id, owner_id=owner_id)
        if conversation.type == made_for:
            self._forget_words(tx, turn, conversation)
        self._repo.delete(tx, turn.id)

    def _forget_words(self, tx: Tx, turn: Turn, conversation: Conversation) -> None:
        newest = self._detail(tx, turn).reply or self._conversations.find_message(
            tx, conversation.id, turn.user_message_id or MessageId("")
        )
        if newest is None or newest.id != conversation.active_leaf_id:
            return
        said = [*self._inputs(tx, turn, turn.user_message_id or newest.id), newest]
        if len(said) >= conversation.message_count:
            self._items.remove_all(tx, conversation)
        else:
            self._conversations.remove_message(tx, conversation, said[0].id)

    def _inputs(self, tx: Tx, turn: Turn, last_id: MessageId | None) -> Sequence[Message]:
        """They stand together: one transaction has written them."""
        last = None if last_id is None else self._conversations.find_message(tx, turn.conversation_id, last_id)
        if last is None:
            return []
        page = self._items.before(tx, turn.conversation_id, last.sequence_number + 1, count=PAGE_MESSAGES)
        return [*takewhile(lambda one: one.turn_id == turn.id, page)][::-1]

    def _owned(self, tx: Tx, turn_id: TurnId, owner_id: UserId) -> Turn:
        turn = self._repo.find(tx, TurnId(parse_id(turn_id)))
        if turn is None:
            raise TurnNotFoundError(turn_id)
        if turn.owner_id != owner_id:
            raise ConversationForbiddenError(turn.conversation_id)
        return turn

    def _detail(self, tx: Tx, turn: Turn) -> TurnDetail:
        return TurnDetail(
            turn=turn,
            reply=self._conversations.find_message(tx, turn.conversation_id, turn.reply_message_id),
            attempts=tuple(self._llm.attempts_of(tx, turn.id)),
        )
