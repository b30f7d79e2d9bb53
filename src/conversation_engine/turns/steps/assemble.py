"""What the model is shown."""

import json
from collections.abc import Iterator
from typing import Final

from conversation_engine.domains.context.types import Candidate, Window
from conversation_engine.domains.context.window import plan_window
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, count_tokens, tokens_for
from conversation_engine.domains.llm.types import ModelCard, Sampling
from conversation_engine.infra.db.database import Database, Tx

FIRST_PAGE_MESSAGES: Final = 64
PAGE_GROWTH: Final = 4
"""Each further page is larger, so that even a window of 1,300 messages takes three statements."""


class AssembleStep:
    """Builds the window of a turn."""

    def __init__(self, database: Database, *, conversations: ConversationService, llm: LlmService) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm

    async def __call__(self, conversation: Conversation, card: ModelCard, sampling: Sampling) -> Window:
        """Read the newest messages as far as they fit: few statements, in one snapshot.

        Raises MessageTooLongError or NothingToAnswerError.
        """
        return await self._database.read(lambda tx: self.window(tx, conversation, card, sampling))

    def window(self, tx: Tx, conversation: Conversation, card: ModelCard, sampling: Sampling) -> Window:
        """The same, in the caller's transaction."""
        prompt = conversation.system_prompt
        return plan_window(
            self._candidates(tx, conversation, card),
            system_prompt=prompt,
            system_tokens=tokens_for(card, count_tokens(prompt)) if prompt else 0,
            overhead_tokens=MESSAGE_OVERHEAD_TOKENS,
            budget_tokens=card.context_tokens - self._llm.reply_limit_tokens(card, sampling),
        )

    def _candidates(self, tx: Tx, conversation: Conversation, card: ModelCard) -> Iterator[Candidate]:
        before, count = conversation.last_sequence + 1, FIRST_PAGE_MESSAGES
        while True:
            page = self._conversations.newest(tx, conversation.id, before=before, count=count)
            for message in page:
                yield _candidate(message, card)
            if len(page) < count:
                return
            before, count = page[-1].sequence_number, count * PAGE_GROWTH


def _candidate(message: Utterance, card: ModelCard) -> Candidate:
    content = message.content
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    tokens = message.token_count if message.token_count is not None else count_tokens(text)
    return Candidate(
        sequence_number=message.sequence_number,
        role=message.role.value,
        text=text,
        tokens=tokens_for(card, tokens),
    )
