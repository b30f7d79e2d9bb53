"""Questions: understood in their conversation, then answered by a turn."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from conversation_engine.domains.context.questions.talk import MESSAGES_READ, Said
from conversation_engine.domains.context.questions.topics import Topics, TopicTracker
from conversation_engine.domains.context.questions.types import FollowUp, Understanding
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.turns.resolving import everything_said, said_of
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.side_calls import SideCalls
from conversation_engine.turns.steps.understand import UnderstandStep, Understood
from conversation_engine.turns.types import AskedQuestion, NewTurn, Turn

METADATA_KEY = "understanding"
"""Where a message says how it was understood."""
TOPIC_MESSAGES: Final = 200
"""How many of the newest messages are cut into segments."""


class QuestionService:
    """The door for questions. Every method is scoped by the owner, and raises what the conversation's door raises."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        turns: TurnService,
        calls: SideCalls,
        understand: UnderstandStep,
        topics: TopicTracker,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._turns = turns
        self._calls = calls
        self._understand = understand
        self._topics = topics

    async def analyze_follow_up(
        self, conversation_id: ConversationId, query: str, *, owner_id: UserId
    ) -> Understanding:
        """Whether `query`, which nobody has said yet, would lean on what was said, and what it means then.

        Two statements, some milliseconds; one model call more where `CE_UNDERSTANDING_MODEL` names one.
        """
        conversation, said = await self._read(conversation_id, owner_id)
        understood = await self._understand(query, said, conversation, role=None)
        await self._record(conversation, understood)
        return understood.understanding

    async def topics(self, conversation_id: ConversationId, *, owner_id: UserId) -> Topics:
        """What the newest `TOPIC_MESSAGES` messages are about, and where they turn to something else.

        Two statements, and some tenths of a second on another thread at the most.
        """

        def work(tx: Tx) -> Sequence[Utterance]:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            return self._conversations.newest(tx, conversation, count=TOPIC_MESSAGES)

        newest = await self._database.read(work)
        return await asyncio.to_thread(self._topics.topics, everything_said(newest))

    async def ask(self, new: NewTurn, query: str) -> AskedQuestion:
        """Understand `query`, say it in its own words and have it answered: `TurnService.submit`, with its meaning.

        The meaning is stored in the message's metadata. A repetition (`once`) gives the turn and the meaning of the
        first time. `new.starts` begins a conversation with it. Raises what `submit` raises.
        """
        conversation: Conversation | None = None
        said: Sequence[Said] = ()
        if new.starts is None:
            conversation, said = await self._read(new.conversation_id, new.owner_id)
        understood = await self._understand(query, said, conversation, role=new.role)
        if conversation is not None:
            await self._record(conversation, understood)
        metadata = {**new.message_metadata, METADATA_KEY: as_json(understood.understanding)}
        turn = await self._turns.submit(replace(new, content=query, message_metadata=metadata))
        understanding = understood.understanding
        if new.once is not None:
            understanding = await self._as_stored(turn, understanding)
        return AskedQuestion(turn=turn, understanding=understanding)

    async def _read(self, conversation_id: ConversationId, owner_id: UserId) -> tuple[Conversation, Sequence[Said]]:
        def work(tx: Tx) -> tuple[Conversation, Sequence[Utterance]]:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            return conversation, self._conversations.newest(tx, conversation, count=MESSAGES_READ)

        conversation, newest = await self._database.read(work)
        return conversation, said_of(newest)

    async def _record(self, conversation: Conversation, understood: Understood) -> None:
        calls_id = understood.calls_id
        if calls_id is not None:
            await self._calls.end(conversation, understood.attempts, calls_id=calls_id)

    async def _as_stored(self, turn: Turn, understanding: Understanding) -> Understanding:
        """As it was understood when the turn was admitted; `understanding` while its message waits in line."""
        message_id = turn.user_message_id
        if message_id is None:
            return understanding
        found = await self._database.read(
            lambda tx: self._conversations.find_message(tx, turn.conversation_id, message_id)
        )
        stored = None if found is None else found.metadata.get(METADATA_KEY)
        return _from_json(stored, understanding) if isinstance(stored, dict) else understanding


def as_json(understanding: Understanding) -> dict[str, Any]:
    """How a meaning is stored and sent: without the messages that were looked at."""
    follow_up = understanding.follow_up
    is_same = understanding.standalone == understanding.query
    return {
        "is_follow_up": follow_up.is_follow_up,
        "confidence": follow_up.confidence,
        "leans_on": follow_up.leans_on,
        "previous_topic": follow_up.previous_topic,
        "standalone": None if is_same else understanding.standalone,
        "intent": understanding.intent,
        "decided_by": follow_up.decided_by,
    }


def _from_json(stored: Mapping[str, Any], now: Understanding) -> Understanding:
    return Understanding(
        query=now.query,
        standalone=stored["standalone"] or now.query,
        intent=stored["intent"],
        follow_up=FollowUp(
            is_follow_up=stored["is_follow_up"],
            confidence=stored["confidence"],
            leans_on=stored["leans_on"],
            previous_topic=stored["previous_topic"],
            context=now.follow_up.context,
            decided_by=stored["decided_by"],
        ),
    )
