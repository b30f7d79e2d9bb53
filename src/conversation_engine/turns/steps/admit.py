"""tx₁: the question and its turn, committed before any model is called."""

import math
from dataclasses import replace

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewMessage
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import MessageId, TurnId
from conversation_engine.kernel.text import checked_text
from conversation_engine.turns.errors import TurnInProgressError
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.repo import Lease, TurnRepo
from conversation_engine.turns.run import FIRST_PAGE_MESSAGES, TurnRun
from conversation_engine.turns.types import NewTurn, Turn, TurnState

STOP_LIMIT_CHARACTERS = 100


class AdmitStep:
    """Lets one turn in."""

    def __init__(
        self, database: Database, *, conversations: ConversationService, llm: LlmService, clock: Clock
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._clock = clock
        self._repo = TurnRepo()

    async def __call__(self, new: NewTurn, *, lease: Lease) -> TurnRun:
        """Write the message and the turn in one short transaction, and read the newest messages: four statements.

        Raises TurnInProgressError when the conversation is still answering, UnknownModelError, and what the
        conversation's service raises; nothing is written then.
        """
        turn_id = TurnId(new_id())
        new = self._checked(new)
        message = self._message(new, turn_id)
        try:
            return await self._database.write(lambda tx: self._admit(tx, new, turn_id, message, lease=lease))
        except ConstraintViolation as error:
            running = await self._database.read(lambda tx: self._repo.find_running(tx, new.conversation_id))
            raise TurnInProgressError(running.id if running else None) from error

    def _checked(self, new: NewTurn) -> NewTurn:
        prompt = new.system_prompt
        _check_sampling(new.sampling)
        return replace(
            new,
            system_prompt=None if prompt is None else self._conversations.checked_prompt(prompt),
            reply_metadata=self._conversations.checked_metadata(new.reply_metadata),
        )

    def _message(self, new: NewTurn, turn_id: TurnId) -> NewMessage | None:
        if new.content is None:
            return None
        message = NewMessage(
            id=MessageId(new_id()),
            role=MessageRole.USER,
            content=new.content,
            turn_id=turn_id,
            metadata=new.message_metadata,
        )
        return self._conversations.checked_message(message)

    def _admit(self, tx: Tx, new: NewTurn, turn_id: TurnId, message: NewMessage | None, *, lease: Lease) -> TurnRun:
        conversation = self._say(tx, new, message)
        card = self._llm.card(new.model or conversation.model)
        turn = Turn(
            id=turn_id,
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            state=TurnState.RUNNING,
            attempt=1,
            model=card.name,
            system_prompt=new.system_prompt,
            sampling=new.sampling,
            reply_metadata=new.reply_metadata,
            user_message_id=message.id if message else None,
            reply_message_id=MessageId(new_id()),
            error=None,
            created_at=self._clock.now(),
            finished_at=None,
        )
        self._repo.insert(tx, turn, lease=lease)
        before = conversation.last_sequence + 1
        newest = self._conversations.newest(tx, conversation.id, before=before, count=FIRST_PAGE_MESSAGES)
        live = LiveReply(turn.id, attempt=turn.attempt)
        return TurnRun(turn=turn, conversation=conversation, card=card, live=live, newest=newest)

    def _say(self, tx: Tx, new: NewTurn, message: NewMessage | None) -> Conversation:
        if message is None:
            conversation = self._conversations.open_for_reply(tx, new.conversation_id, owner_id=new.owner_id)
        else:
            conversation, _ = self._conversations.append(tx, new.conversation_id, message, owner_id=new.owner_id)
        if new.system_prompt is None:
            return conversation
        return replace(conversation, system_prompt=new.system_prompt)


def _check_sampling(sampling: Sampling) -> None:
    for name, value in (("temperature", sampling.temperature), ("top_p", sampling.top_p)):
        if value is not None and not math.isfinite(value):
            raise InvalidInputError(f"The {name} is not a finite number. Send one such as 0.7.", field=name)
    for stop in sampling.stop:
        checked_text(stop, name="stop sequence", limit_characters=STOP_LIMIT_CHARACTERS, blank_allowed=True)
