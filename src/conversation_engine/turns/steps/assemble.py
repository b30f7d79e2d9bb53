"""What the model is shown."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from conversation_engine.domains.context.types import Candidate, Window
from conversation_engine.domains.context.window import plan_window
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, template_tokens_for, tokens_for
from conversation_engine.domains.llm.types import ModelCard, Sampling
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.turns.run import FIRST_PAGE_MESSAGES, TurnRun

PAGE_GROWTH: Final = 4
"""Each further page is larger, so that even a window of 1,300 messages takes three statements."""


class AssembleStep:
    """Builds the window of a turn."""

    def __init__(self, database: Database, *, conversations: ConversationService, llm: LlmService) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm

    async def __call__(self, run: TurnRun) -> Window:
        """Choose among the newest of the active path: no statement when those read at admission fill the window.

        Raises MessageTooLongError or NothingToAnswerError.
        """
        turn, conversation, card = run.turn, run.conversation, run.card
        with suppress(_MoreIsNeeded):
            return self._plan(_candidates(run.newest, card), conversation, card, turn.sampling)

        def work(tx: Tx) -> Window:
            stored = self._stored(tx, conversation, card, first_page=run.newest)
            return self._plan(stored, conversation, card, turn.sampling)

        return await self._database.read(work)

    def window(self, tx: Tx, conversation: Conversation, card: ModelCard, sampling: Sampling) -> Window:
        """The same from the store alone, in the caller's transaction."""
        page = self._conversations.newest(tx, conversation, count=FIRST_PAGE_MESSAGES)
        return self._plan(self._stored(tx, conversation, card, first_page=page), conversation, card, sampling)

    def _plan(
        self, newest_first: Iterator[Candidate], conversation: Conversation, card: ModelCard, sampling: Sampling
    ) -> Window:
        prompt = conversation.system_prompt
        reserved = self._llm.reply_limit_tokens(card, sampling) + template_tokens_for(card, is_instructed=bool(prompt))
        return plan_window(
            newest_first,
            system_prompt=prompt,
            system_tokens=tokens_for(card, prompt) if prompt else 0,
            overhead_tokens=MESSAGE_OVERHEAD_TOKENS,
            budget_tokens=card.context_tokens - reserved,
        )

    def _stored(
        self, tx: Tx, conversation: Conversation, card: ModelCard, *, first_page: Sequence[Utterance]
    ) -> Iterator[Candidate]:
        page, count = first_page, FIRST_PAGE_MESSAGES
        while True:
            yield from _as_candidates(page, card)
            if len(page) < count:
                return
            count *= PAGE_GROWTH
            page = self._conversations.newest(tx, conversation, before=page[-1].sequence_number, count=count)


class _MoreIsNeeded(Exception):
    """The first page did not fill the window."""


def _candidates(page: Sequence[Utterance], card: ModelCard) -> Iterator[Candidate]:
    yield from _as_candidates(page, card)
    if len(page) >= FIRST_PAGE_MESSAGES:
        raise _MoreIsNeeded


def _as_candidates(page: Sequence[Utterance], card: ModelCard) -> Iterator[Candidate]:
    for number, role, content, tokens in page:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        own_tokens = tokens_for(card, text, tokens)
        yield Candidate(number, role.value, text, own_tokens)
